import { once } from "node:events";
import { createServer } from "node:net";
import type { Server } from "node:net";
import { networkInterfaces } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import { findFreePort } from "./ports.ts";

async function listenAt(host: string, port = 0): Promise<number> {
  const server: Server = createServer();
  onTestFinished(() => void server.close());
  await once(server.listen(port, host), "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

test("a free preferred port is used", async () => {
  const port = await findFreePort(undefined);
  expect(await findFreePort(port)).toBe(port);
});

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);

test.each(["127.0.0.1", ...(hasIpv6 ? ["::1", "::"] : [])])(
  "a preferred port in use at %s is replaced by a later one",
  async (host) => {
    const taken = await listenAt(host);
    const found = await findFreePort(taken);
    expect(found).not.toBe(taken);
    await listenAt("127.0.0.1", found);
  },
);
