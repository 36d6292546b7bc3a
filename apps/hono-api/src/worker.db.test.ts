import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase, enqueueJob, type Database } from "@repo/db";
import { createTestDatabase, type TestDatabase } from "@repo/db/testing";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator, type InfisicalEmulator } from "@repo/infisical/emulator";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createOutbound } from "@repo/outbound";
import { startWebhookReceiver } from "@repo/providers/webhook-receiver";
import { createTenantSecrets } from "@repo/tenant-secrets";
import { afterAll, beforeAll, expect, it } from "vitest";
import { operator } from "./testing/fixture.ts";
import { send } from "./testing/raw-http.ts";
import { startServer, variablesOf, type ServerProcess } from "./testing/spawn.ts";

// Each start of a process costs a busy machine seconds.
const slow = { timeout: 240_000 };

let testDatabase: TestDatabase;
let database: Database;
let emulator: InfisicalEmulator;
const directory = mkdtempSync(path.join(tmpdir(), "hono-api-"));
const dataFile = path.join(directory, "infisical.json");
const processes: ServerProcess[] = [];

beforeAll(async () => {
  [testDatabase, emulator] = await Promise.all([createTestDatabase(), startInfisicalEmulator({ dataFile })]);
  const { application, maintenance } = testDatabase.urls;
  database = connectDatabase({ applicationUrl: application, maintenanceUrl: maintenance });
  const infisical = createInfisicalClient({ ...emulator, environment: "dev" });
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomBytes(32).toString("hex"));
});
afterAll(async () => {
  for (const child of processes) child.kill("SIGKILL");
  await Promise.all(processes.map(({ ended }) => ended));
  await Promise.all([emulator.stop(), database.close()]);
  await testDatabase.drop();
  rmSync(directory, { recursive: true });
});

function start(program: "server" | "worker", more: Record<string, string> = {}): ServerProcess {
  const { urls } = testDatabase;
  const child = startServer(
    {
      ...variablesOf(urls, emulator),
      ...more,
    },
    program,
  );
  processes.push(child);
  return child;
}

const enqueue = () =>
  database.acrossCompanies((statements) => enqueueJob(statements, { task: "forget-processes", payload: {} }));
const metricsOf = async (child: ServerProcess) => {
  const { body } = await send(await child.metricsUrl(), { path: "/metrics" });
  const valueOf = (series: string) =>
    Number(
      body
        .split("\n")
        .find((line) => line.startsWith(`tenant_secrets_${series} `))
        ?.split(" ")[1] ?? 0,
    );
  return {
    sealed: valueOf("audit_batches_sealed_total"),
    runs: valueOf('job_duration_seconds_count{job="forget-processes",outcome="done"}'),
    isListening: valueOf("notifications_up"),
  };
};
const done = /job forget-processes done/;

async function end(child: ServerProcess): Promise<void> {
  child.kill("SIGTERM");
  expect(await child.ended).toBe(0);
  expect(child.output()).toContain('"msg":"stopped"');
  for (const url of Object.values(testDatabase.urls)) {
    expect(child.output()).not.toContain(new URL(url).password);
  }
}

it("jobs run in a worker and not in an API that has JOBS=none, and both stop in order", slow, async () => {
  const api = start("server", { JOBS: "none", METRICS_PORT: "0" });
  await api.says(
    /"batch":\d+,"events":\d+,"checkpoint":"[0-9a-f]{64}","timeline":\d+,"msg":"checkpoint signed"/,
  );
  expect((await metricsOf(api)).sealed).toBeGreaterThan(0);
  await enqueue();
  const worker = start("worker", { JOBS: "none", METRICS_PORT: "0" });
  await worker.says(done);
  const { runs, isListening } = await metricsOf(worker);
  // One that the schedule asks for may have come between.
  expect(runs).toBeGreaterThanOrEqual(1);
  expect(isListening).toBe(1);
  await end(worker);
  await end(api);
  expect(api.output()).not.toMatch(done);
});

it("jobs run in the API, once its start is complete", slow, async () => {
  const { siteUrl } = emulator;
  await emulator.stop();
  const api = start("server");
  await enqueue();
  await api.says(/waiting: /);
  await sleep(1000);
  expect(api.output()).not.toMatch(/\bjob/);
  emulator = await startInfisicalEmulator({ dataFile, port: Number(new URL(siteUrl).port) });
  await api.says(done);
  await end(api);
});

it(
  "notifications are sent by a worker and by an API that runs jobs, and not by one that has JOBS=none",
  slow,
  async () => {
    const receiver = await startWebhookReceiver();
    const allow = new URL(receiver.url).host;
    const secrets = createTenantSecrets({
      database,
      infisical: { ...emulator, environment: "dev" },
      catalog: deliveryChatCatalog,
      cache: false,
      outbound: createOutbound({ allow: [allow] }),
    });
    const addEndpoint = () =>
      secrets.admin.webhooks.create(operator, { url: receiver.url, description: "", perSecond: 1000 });
    const variables = { OUTBOUND_ALLOW: allow, METRICS_PORT: "0" };
    const isReady = /"msg":"ready/;
    try {
      const idle = start("server", { ...variables, JOBS: "none" });
      await idle.says(isReady);
      await addEndpoint();
      await sleep(2000);
      expect(receiver.deliveries()).toHaveLength(0);
      const worker = start("worker", variables);
      await expect.poll(() => receiver.deliveries().length, { timeout: 60_000 }).toBe(1);
      const seriesOf = async () => (await send(await worker.metricsUrl(), { path: "/metrics" })).body;
      for (const series of ['deliveries_total{outcome="delivered"} 1', 'endpoints{state="active"} 1'])
        await expect.poll(seriesOf, { timeout: 60_000 }).toContain(`tenant_secrets_webhook_${series}\n`);
      await Promise.all([end(worker), end(idle)]);
      const serving = start("server", variables);
      await serving.says(isReady);
      await addEndpoint();
      await expect.poll(() => receiver.deliveries().length, { timeout: 60_000 }).toBe(2);
      await end(serving);
    } finally {
      await receiver.stop();
    }
  },
);

/** Runs before the program of a process, whose clock it sets: everything in it sees this time. */
const tenMinutesAhead = `const real = Date;
  globalThis.Date = class extends real {
    constructor(...given) { given.length === 0 ? super(real.now() + 600_000) : super(...given); }
    static now() { return real.now() + 600_000; }
  };`;

it("a worker whose clock is ten minutes off sends what a receiver accepts, and says so", slow, async () => {
  const receiver = await startWebhookReceiver();
  const allow = new URL(receiver.url).host;
  const secrets = createTenantSecrets({
    database,
    infisical: { ...emulator, environment: "dev" },
    catalog: deliveryChatCatalog,
    cache: false,
    outbound: createOutbound({ allow: [allow] }),
  });
  try {
    const { secret, endpoint } = await secrets.admin.webhooks.create(operator, {
      url: receiver.url,
      description: "",
      perSecond: 1000,
    });
    receiver.trust({ secret, publicKey: endpoint.publicKey });
    const worker = start("worker", {
      OUTBOUND_ALLOW: allow,
      METRICS_PORT: "0",
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tenMinutesAhead)}`,
    });
    await worker.says(
      /the clock of this process is (599|600) s ahead of the database's.*"code":"CLOCK_OFF"|"code":"CLOCK_OFF".*(599|600) s ahead of/,
    );
    await expect
      .poll(() => receiver.deliveries().at(-1), { timeout: 60_000 })
      .toMatchObject({ v1: "ok", v1a: "ok" });
    const { body } = await send(await worker.metricsUrl(), { path: "/metrics" });
    const [, offset] = /^tenant_secrets_clock_offset_seconds (.+)$/m.exec(body) ?? [];
    expect(Math.abs(Number(offset) - 600)).toBeLessThan(5);
    await end(worker);
  } finally {
    await receiver.stop();
  }
});
