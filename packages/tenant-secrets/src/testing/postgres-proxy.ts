import { once } from "node:events";
import { connect, createServer } from "node:net";

/** How a connection ends. */
export type Way = "refused" | "lost at the login" | "lost before the change" | "lost after the change";

/** Between a driver and a PostgreSQL server: makes one connection end as a fault has it. */
export interface PostgresProxy {
  readonly port: number;
  /** By the way: the `nth` connection from now ends so. */
  readonly faults: Readonly<Record<Way, (nth: number) => void>>;
  /** Ends a fault that is still waited for. @returns whether the last one was met */
  disarm(): boolean;
  stop(): Promise<void>;
}

/** @param serverPort of a server on this machine */
export async function startPostgresProxy(serverPort: number): Promise<PostgresProxy> {
  let connections = 0;
  let armed: { readonly at: number; readonly way: Way } | undefined;
  let isMet = false;
  const proxy = createServer((client) => {
    connections += 1;
    const way = armed?.at === connections ? armed.way : undefined;
    if (way !== undefined) isMet = true;
    const upstream = connect(serverPort, "127.0.0.1");
    for (const socket of [client, upstream]) {
      socket.on("error", () => {});
      socket.on("close", () => {
        client.destroy();
        upstream.destroy();
      });
    }
    let isChanging = false;
    client.on("data", (bytes) => {
      if (way === "refused") client.destroy();
      // The change itself, and not the template that the server fills in.
      const isChange = /alter role (?!%)/.test(bytes.toString("latin1"));
      isChanging ||= isChange;
      if (way === "lost before the change" && isChange) client.destroy();
      else upstream.write(bytes);
    });
    upstream.on("data", (bytes) => {
      if (way === "lost at the login" || (way === "lost after the change" && isChanging)) client.destroy();
      else client.write(bytes);
    });
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  const arm = (way: Way) => (nth: number) => {
    armed = { at: connections + nth, way };
    isMet = false;
  };
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    faults: {
      refused: arm("refused"),
      "lost at the login": arm("lost at the login"),
      "lost before the change": arm("lost before the change"),
      "lost after the change": arm("lost after the change"),
    },
    disarm: () => {
      armed = undefined;
      return isMet;
    },
    stop: async () => {
      proxy.close();
      await Promise.resolve();
    },
  };
}
