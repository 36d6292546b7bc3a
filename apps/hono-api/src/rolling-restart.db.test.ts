import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createBackends, type Backends } from "./testing/fixture.ts";
import { countKinds, startLoad } from "./testing/load.ts";
import { startServer, variablesOf, type ServerProcess } from "./testing/spawn.ts";
import { startTcpBalancer } from "./testing/tcp-balancer.ts";

const company = "another-company";
let backends: Backends;
const processes = new Set<ServerProcess>();

beforeAll(async () => {
  backends = await createBackends();
});
afterAll(async () => {
  for (const each of processes) each.kill("SIGKILL");
  await Promise.all([...processes].map(({ ended }) => ended));
});

function start(port: string): ServerProcess {
  const child = startServer({
    ...variablesOf(backends.database.urls, backends.emulator),
    PORT: port,
    // The balancer sees it after a fifth of a second.
    DRAIN_SECONDS: "1",
    STOP_SECONDS: "10",
  });
  processes.add(child);
  return child;
}

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error("it did not happen within a minute");
    await sleep(20);
  }
}

it(
  "no request of clients that keep their connections fails while both processes behind a balancer are restarted, one after the other, twice",
  { timeout: 180_000 },
  async () => {
    const started = [start("0"), start("0")];
    const running = await Promise.all(
      started.map(async (child) => ({ child, port: Number(new URL(await child.url()).port) })),
    );
    const balancer = await startTcpBalancer(running.map(({ port }) => port));
    await until(() => running.every(({ port }) => balancer.isUp(port)));
    const { apiKey: credential } = await backends.apiKey(company);
    const load = startLoad({ url: balancer.url, credential, company, pairs: 3 });
    try {
      for (let round = 0; round < 2; round += 1) {
        for (const server of running) {
          const before = load.outcomes.length;
          server.child.kill("SIGTERM");
          expect(await server.child.ended).toBe(0);
          expect(balancer.isUp(server.port)).toBe(false);
          // The other one serves.
          expect(load.outcomes.length).toBeGreaterThan(before);
          server.child = start(String(server.port));
          await until(() => balancer.isUp(server.port));
          await sleep(300);
        }
      }
    } finally {
      await load.stop();
      await balancer.stop();
    }
    expect(countKinds(load.outcomes)).toEqual({ "200": load.outcomes.length });
    expect(load.outcomes.length).toBeGreaterThan(500);
  },
);
