import { once } from "node:events";
import { createServer as createTcp, type Server, type Socket } from "node:net";
import { createServer as createTls } from "node:tls";
import type { Certificate } from "./certificates.ts";

/** A listener on 127.0.0.1 that says over each connection what a test wants, HTTP or not. */
export interface Listener {
  readonly port: number;
  /** How many connections were opened, encrypted or not. */
  connections(): number;
  /** How many of them are open. */
  open(): number;
  /** What arrived, of all connections. */
  received(): string;
  stop(): Promise<void>;
}

export async function listen(
  talk: (socket: Socket) => void,
  certificate?: Certificate & { readonly maxVersion?: "TLSv1.1" | "TLSv1.2" },
): Promise<Listener> {
  const sockets = new Set<Socket>();
  let connections = 0;
  let received = "";
  const hear = (socket: Socket): void => {
    socket.on("error", () => {});
    talk(socket);
    socket.on("data", (data) => {
      received += data.toString("latin1");
    });
  };
  const oldest = certificate?.maxVersion === undefined ? {} : { minVersion: certificate.maxVersion };
  // OpenSSL leaves what is older than TLS 1.2 out at its usual level.
  const ciphers = certificate?.maxVersion === "TLSv1.1" ? { ciphers: "DEFAULT:@SECLEVEL=0" } : {};
  const server: Server = certificate
    ? createTls({ ...certificate, ...oldest, ...ciphers }, hear).on("tlsClientError", () => {})
    : createTcp(hear);
  server.on("connection", (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The listener has no port.");
  return {
    port: address.port,
    connections: () => connections,
    open: () => sockets.size,
    received: () => received,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Talks once a request's head has arrived. */
export const answering =
  (answer: (socket: Socket) => void) =>
  (socket: Socket): void => {
    let head = "";
    const hear = (data: Buffer): void => {
      head += data.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      socket.off("data", hear);
      answer(socket);
    };
    socket.on("data", hear);
  };

/** Answers with 200 and `ok`. */
export const ok = answering((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
