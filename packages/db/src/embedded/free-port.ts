import { once } from "node:events";
import { createServer } from "node:net";

/**
 * @param preferred 0 for any
 * @returns `preferred` when nothing listens on it on 127.0.0.1, else a port that was free a moment ago
 */
export async function findFreePort(preferred: number): Promise<number> {
  const probe = createServer();
  try {
    await once(probe.listen(preferred, "127.0.0.1"), "listening");
  } catch (error) {
    if (preferred === 0) throw error;
    return findFreePort(0);
  }
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("A TCP server has no port.");
  return address.port;
}
