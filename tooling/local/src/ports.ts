import { createServer, connect } from "node:net";

const loopbacks = ["127.0.0.1", "::1"] as const;

/**
 * A port of this machine that nobody listens on, at either loopback address: `localhost` means both, and a stranger at
 * one of them would get requests that are meant for us.
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
    // On macOS a port can be had at one address although somebody listens on it at all of them.
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
