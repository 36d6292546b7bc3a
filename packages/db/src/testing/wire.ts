import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A machine between two servers, which sees and may change what passes. */
export interface Wire {
  readonly port: number;
  /** All bytes that passed since it was started or emptied, in either direction. */
  readonly seen: () => Buffer;
  readonly empty: () => void;
  stop(): Promise<void>;
}

/** What asks for TLS in PostgreSQL's protocol. */
const sslRequest = Buffer.from("0000000804d2162f", "hex");

/** @param options.deniesTls whether it answers in the server's place that there is no TLS */
export async function startWire(
  serverPort: number,
  options: { readonly deniesTls?: boolean } = {},
): Promise<Wire> {
  let passed: Buffer[] = [];
  const sockets = new Set<Socket>();
  const pass = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.on("data", (bytes: Buffer) => {
      if (options.deniesTls === true && bytes.equals(sslRequest)) return void from.write("N");
      passed.push(bytes);
      to.write(bytes);
    });
    from.on("error", () => to.destroy());
    from.on("close", () => to.destroy());
  };
  const server = createServer((client) => {
    const upstream = connect(serverPort, "127.0.0.1");
    pass(client, upstream);
    pass(upstream, client);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    seen: () => Buffer.concat(passed),
    empty: () => {
      passed = [];
    },
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
