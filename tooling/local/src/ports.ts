import { createServer, connect } from "node:net";
import type { DataDirectory } from "./data-directory.ts";

const loopbacks = ["127.0.0.1", "::1"] as const;

/**
 * Finds a port that is free at both loopback addresses: `localhost` means either, and another program at one of them would
 * receive our requests.
 *
 * @param preferred tried first, then the ports after it; without one, any
 */
export async function findFreePort(preferred: number | undefined): Promise<number> {
  if (preferred === undefined) return (await listenBriefly(loopbacks[0], 0)) ?? findFreePort(undefined);
  for (let port = preferred; port < preferred + 100 && port <= 65_535; port += 1) {
    if (await isFree(port)) return port;
  }
  return findFreePort(undefined);
}

async function isFree(port: number): Promise<boolean> {
  for (const host of loopbacks) {
    // On macOS a port can be bound at one address although another program listens on it at all of them.
    if (await isAnswered(host, port)) return false;
  }
  return (await listenBriefly(loopbacks[0], port)) !== undefined;
}

function isAnswered(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** @returns the port, or undefined where it cannot be had */
function listenBriefly(host: string, port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? address?.port : undefined));
    });
  });
}

const file = "ports.json";

/** The ports of the last start, which are taken again where that is possible. */
export interface Ports {
  lastOf(server: string): number | undefined;
  /** The last one, or where it is taken another. */
  find(server: string): Promise<number>;
  /** Keeps it for the next start, and says so where it is not the last one. */
  remember(server: string, port: number): void;
}

export function choosePorts(data: DataDirectory, say: (line: string) => void): Ports {
  const last = data.read(file);
  const remembered = { ...last };
  const lastOf = (server: string): number | undefined => Number(last[server]) || undefined;
  return {
    lastOf,
    find: (server) => findFreePort(lastOf(server)),
    remember: (server, port) => {
      const before = lastOf(server);
      if (before !== undefined && port !== before) say(`Port ${before} is taken; ${server} takes ${port}.`);
      remembered[server] = String(port);
      data.write(file, remembered);
    },
  };
}
