import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { sql as fragment } from "drizzle-orm";
import postgres from "postgres";
import { afterAll, expect, it, onTestFinished, vi } from "vitest";
import { announceSecret, listenForChanges, nameTagOf, type Change } from "./changes.ts";
import { connectDatabase } from "./connect.ts";
import { connectOnce } from "./provision.ts";
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
    silenceMs: deadlineMs,
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
    heartbeatMs: 1000,
  });
  onTestFinished(() => listener.stop());
  tunnel.silenceAt('listen "');
  tunnel.silence();
  await vi.waitFor(() => expect(listener.isListening()).toBe(false), 60_000);
  const companyId = randomUUID();
  await vi.waitFor(
    async () => {
      await announceSecret(telling, companyId, "CUSTOM_KEY");
      expect(heard).toContainEqual({
        subject: "company-secret",
        companyId,
        nameTag: nameTagOf(companyId, "CUSTOM_KEY"),
      });
    },
    { timeout: 60_000, interval: 100 },
  );
  expect(listener.isListening()).toBe(true);
});

it("a transaction that takes longer than silence may last is let finish, since the server answers meanwhile", async () => {
  const superuser = connectOnce(database.superuserUrl);
  onTestFinished(() => superuser.end());
  await superuser`create table steps (n integer primary key)`;
  await superuser`grant insert on steps to tenant_secrets_application`;
  const quiet = connectDatabase({
    applicationUrl: database.urls.application,
    maintenanceUrl: database.urls.maintenance,
    deadlineMs: 200,
    silenceMs: 3000,
  });
  onTestFinished(() => quiet.close());
  const working = quiet.inCompany(randomUUID(), async (statements) => {
    for (const n of [1, 2, 3, 4, 5]) {
      await statements.execute(fragment`insert into steps select ${n}::int from pg_sleep(0.8)`);
    }
  });
  await expect(working).rejects.toMatchObject({ code: "TIMEOUT" });
  await vi.waitFor(async () => expect(await superuser`select from steps`).toHaveLength(5), 60_000);
}, 60_000);

it("a listener that hears nothing of the channel of changes says so, whatever else arrives", async () => {
  const url = new URL(database.urls.listener);
  const { port, hostname } = url;
  let deaf = false;
  const tunnel = createServer((client) => {
    const server = connect(Number(port), hostname);
    for (const socket of [client, server]) socket.setNoDelay();
    client.on("error", () => {}).on("close", () => server.destroy());
    client.on("data", (bytes) => server.write(bytes));
    server.on("error", () => {}).on("close", () => client.destroy());
    server.on("data", (bytes) => {
      // Of a notification: its type, and the name of the channel with the zero at its end.
      if (!(deaf && bytes.includes("tenant_secrets\0"))) client.write(bytes);
    });
  });
  await once(tunnel.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void tunnel.close());
  const address = tunnel.address();
  url.port = String(typeof address === "object" ? address?.port : "");
  const gaps: string[] = [];
  const listener = await listenForChanges({
    listenerUrl: url.href,
    onChange: () => {},
    onGap: () => gaps.push("gap"),
    heartbeatMs: 1500,
  });
  onTestFinished(() => listener.stop());
  expect(listener.isListening()).toBe(true);
  deaf = true;
  await vi.waitFor(() => expect(listener.isListening()).toBe(false), 60_000);
  // A new connection that hears nothing either does not count.
  await vi.waitFor(() => expect(gaps.length).toBeGreaterThan(1), 60_000);
  expect(listener.isListening()).toBe(false);
  deaf = false;
  await vi.waitFor(() => expect(listener.isListening()).toBe(true), 60_000);
}, 30_000);

it("processes that hear each other send one heartbeat between them, and not one each", async () => {
  const listening = postgres(database.urls.listener, { max: 1, onnotice: () => {} });
  onTestFinished(() => listening.end({ timeout: 1 }));
  const beats: string[] = [];
  await listening.listen("tenant_secrets", (payload) => beats.push(payload));
  const listeners = await Promise.all(
    Array.from({ length: 8 }, () =>
      listenForChanges({
        listenerUrl: database.urls.listener,
        onChange: () => {},
        onGap: () => {},
        // Each has two heartbeats to begin in, also where eight begin at once on a busy machine.
        heartbeatMs: 2000,
      }),
    ),
  );
  onTestFinished(async () => void (await Promise.all(listeners.map((listener) => listener.stop()))));
  beats.length = 0;
  await new Promise((resolve) => setTimeout(resolve, 6000));
  const sent = beats.length;
  await vi.waitFor(() => expect(listeners.every((listener) => listener.isListening())).toBe(true), 60_000);
  // Three heartbeats long; one each would be 24.
  expect(sent).toBeLessThan(18);
});
