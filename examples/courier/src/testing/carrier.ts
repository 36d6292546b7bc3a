import { once } from "node:events";
import { createServer } from "node:http";

/** A carrier that ships everything. */
export interface Carrier {
  readonly url: string;
  /** The credentials that it was asked with. */
  readonly keys: readonly (string | undefined)[];
  stop(): Promise<void>;
}

export async function startCarrier(): Promise<Carrier> {
  const keys: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    keys.push(request.headers.authorization);
    response.end(JSON.stringify({ tracking: `T${keys.length}` }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`,
    keys,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
