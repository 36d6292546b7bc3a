import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

/** A balancer of connections, as HAProxy is one in `mode tcp` with `option httpchk GET /readyz`. */
export interface TcpBalancer {
  readonly url: string;
  /** Whether new connections go to the server at that port. */
  isUp(port: number): boolean;
  stop(): Promise<void>;
}

/** Milliseconds between two probes of a server. */
const probeEveryMs = 100;
/** Failed probes in a row that take a server out; one that succeeds brings it back. */
const fall = 2;

/** @param ports of the servers, on this machine */
export async function startTcpBalancer(ports: readonly number[]): Promise<TcpBalancer> {
  const failures = new Map(ports.map((port) => [port, fall]));
  const isUp = (port: number): boolean => (failures.get(port) ?? fall) < fall;
  const open = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    open.add(socket.setNoDelay());
    return socket.on("error", () => {}).on("close", () => open.delete(socket));
  };

  let turn = 0;
  const balancer = createServer((client) => {
    keep(client);
    const up = ports.filter(isUp);
    const first = turn++;
    const attempt = (attempts: number): void => {
      const port = up[(first + attempts) % up.length];
      if (port === undefined || attempts >= up.length) return void client.destroy();
      const server = keep(connect(port, "127.0.0.1"));
      let isConnected = false;
      server.once("connect", () => {
        isConnected = true;
        client.pipe(server).pipe(client);
      });
      server.once("close", () => (isConnected ? client.destroy() : attempt(attempts + 1)));
      client.once("close", () => server.destroy());
    };
    attempt(0);
  });
  await once(balancer.listen(0, "127.0.0.1"), "listening");

  const stopping = new AbortController();
  const probing = ports.map(async (port) => {
    while (!stopping.signal.aborted) {
      const answer = await probe(port).catch(() => "");
      failures.set(port, answer.startsWith("HTTP/1.1 200 ") ? 0 : (failures.get(port) ?? 0) + 1);
      await sleep(probeEveryMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  });
  const address = balancer.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`,
    isUp,
    stop: async () => {
      stopping.abort();
      await Promise.all(probing);
      const closed = once(balancer, "close");
      balancer.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/** What HAProxy sends: an old version, and no host. */
function probe(port: number): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.setTimeout(2000, () => socket.destroy(new Error("silent")));
  socket.write("GET /readyz HTTP/1.0\r\n\r\n");
  return text(socket);
}
