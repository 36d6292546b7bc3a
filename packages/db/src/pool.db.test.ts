import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { afterAll, expect, it, onTestFinished, vi } from "vitest";
import { announceSecrets, listenForChanges, type Change } from "./changes.ts";
import { connectDatabase } from "./connect.ts";
import { createTestDatabase } from "./testing/index.ts";

const database = await createTestDatabase();
afterAll(() => database.drop());

/** What goes between a client and the server, until the connections that it has go silent, and no end is told. */
async function startTunnel(url: string): Promise<{
  readonly url: string;
  silence(): void;
  /** The same, of every connection there is as soon as one of them sends this. Once. */
  silenceAt(text: string): void;
}> {
  const target = new URL(url);
  const { port, hostname } = target;
  let generation = 0;
  let fatal: string | undefined;
  const tunnel = createServer((client) => {
    const own = generation;
    const server = connect(Number(port), hostname);
    const isOpen = () => own === generation;
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from
        .on("data", (bytes) => {
          if (fatal !== undefined && from === client && bytes.includes(fatal)) {
            generation += 1;
            fatal = undefined;
          }
          if (isOpen()) to.write(bytes);
        })
        .on("close", () => isOpen() && to.destroy())
        .on("error", () => {});
    }
    onTestFinished(() => {
      client.destroy();
      server.destroy();
    });
  });
  await once(tunnel.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void tunnel.close());
  const address = tunnel.address();
  target.port = String(typeof address === "object" ? address?.port : "");
  return {
    url: target.href,
    silence: () => void (generation += 1),
    silenceAt: (text) => void (fatal = text),
  };
}

it("a server that vanished without a word costs one deadline: the next call has connections of its own", async () => {
  const tunnel = await startTunnel(database.urls.application);
  const deadlineMs = 500;
  const through = connectDatabase({
    applicationUrl: tunnel.url,
    maintenanceUrl: database.urls.maintenance,
    maxConnections: 2,
    deadlineMs,
  });
  onTestFinished(() => through.close());
  const ask = () =>
    through.outsideCompanies(async (sql) => (await sql<{ one: number }[]>`select 1 as one`)[0]?.one);
  expect(await Promise.all([ask(), ask()])).toEqual([1, 1]);
  tunnel.silence();
  // Three, so that one of them is not even sent.
  const given = await Promise.allSettled([ask(), ask(), ask()]);
  expect(given.map((outcome) => outcome.status)).toEqual(["rejected", "rejected", "rejected"]);
  for (const outcome of given) {
    expect(outcome).toMatchObject({ reason: { name: "DatabaseError", kind: "unavailable" } });
  }
  expect(await Promise.all([ask(), ask()])).toEqual([1, 1]);
  expect(through.pending()).toBe(0);
});

it("a listener hears again, also where the connection that replaces a silent one goes silent before it listens", async () => {
  const tunnel = await startTunnel(database.urls.listener);
  const { application: applicationUrl, maintenance: maintenanceUrl } = database.urls;
  const telling = connectDatabase({ applicationUrl, maintenanceUrl });
  onTestFinished(() => telling.close());
  const heard: Change[] = [];
  const listener = await listenForChanges({
    listenerUrl: tunnel.url,
    onChange: (change) => heard.push(change),
    onGap: () => {},
    heartbeatMs: 300,
  });
  onTestFinished(() => listener.stop());
  tunnel.silenceAt('listen "');
  tunnel.silence();
  await vi.waitFor(() => expect(listener.hears()).toBe(false), 3000);
  const companyId = randomUUID();
  await vi.waitFor(
    async () => {
      await announceSecrets(telling, companyId);
      expect(heard).toContainEqual({ subject: "company-secrets", companyId });
    },
    { timeout: 8000, interval: 100 },
  );
  expect(listener.hears()).toBe(true);
}, 15_000);
