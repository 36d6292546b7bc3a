import net from "node:net";
import { connectDatabase, enqueueJob } from "@repo/db";
import { startJobs } from "@repo/db/jobs";
import { whenDone } from "@repo/db/testing";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { codeOf, createFixture, operator, product, type Fixture } from "../testing/fixture.ts";

let fixture: Fixture;
let company: string;
const sealer = () => fixture.secrets.createSealer({ onSealed: () => {}, onAlarm: () => {} });
const soon = { timeout: 60_000 };

beforeAll(async () => {
  fixture = await createFixture();
  await fixture.secrets.prepare();
  company = await fixture.company("database");
  await fixture.secrets.company(company, product).set("CUSTOM_A", "fake_canary_0001");
});

/** An answer that no other call shares. */
const look = () => fixture.another().system.health(operator);

describe("a system that works", () => {
  test("says so of each part, and counts its processes and its cache", async () => {
    const secrets = fixture.another();
    const [here, there] = [
      await secrets.serve(fixture.urls.listener, () => {}),
      await fixture.another().serve(fixture.urls.listener, () => {}),
    ];
    onTestFinished(async () => {
      await Promise.all([here.stop(), there.stop()]);
    });
    const reader = secrets.company(company, product);
    for (let i = 0; i < 3; i++) await reader.get("CUSTOM_A");
    await fixture.superuser`insert into processes (id, region, master_key_versions, seen_at)
      values (gen_random_uuid(), 'default', '{1}', now() - interval '1 minute')`;
    const health = await secrets.system.health(operator);
    expect(health).toMatchObject({
      status: "ready",
      database: "ok",
      masterKey: "ok",
      infisical: "ok",
      breaker: "closed",
      notifications: "ok",
      cache: { hits: 2, misses: 1, entries: 1 },
    });
    expect(health.processes?.map(({ id }) => id).toSorted()).toEqual([here.id, there.id].toSorted());
  });

  test("tells nothing to others, and no value, host or password", async () => {
    const owner = await fixture.person(company, "owner");
    for (const caller of [owner, product]) {
      expect(await codeOf(fixture.secrets.system.health(caller))).toBe("FORBIDDEN");
    }
    const text = JSON.stringify(await look());
    const { password, host } = new URL(fixture.urls.maintenance);
    const secret = [
      password,
      host,
      fixture.emulator.siteUrl,
      fixture.emulator.clientSecret,
      "canary",
      company,
    ];
    for (const each of secret) expect(text).not.toContain(each);
  });
});

describe("jobs", () => {
  test("are counted as waiting, failed and failed for the last time, by task, and so are the workers", async () => {
    const add = (task: string) =>
      fixture.database.acrossCompanies((statements) => enqueueJob(statements, { task, payload: {} }));
    for (const task of ["toy-waits", "toy-waits", "toy-retries", "toy-dead"]) await add(task);
    const set = (task: string, changes: string) =>
      fixture.superuser.unsafe(`update graphile_worker._private_jobs j set ${changes}
        from graphile_worker._private_tasks t where t.id = j.task_id and t.identifier = '${task}'`);
    await set("toy-waits", "run_at = now() - interval '1 hour'");
    await set("toy-retries", "attempts = 3, run_at = now() + interval '1 hour'");
    await set("toy-dead", "attempts = max_attempts");
    const none = { waiting: 0, running: 0, retrying: 0, dead: 0, overdueSeconds: 0 };
    const { jobs } = await look();
    expect(jobs?.workers).toBe(0);
    expect(jobs?.tasks).toEqual([
      { ...none, task: "toy-dead", dead: 1 },
      { ...none, task: "toy-retries", retrying: 1 },
      { ...none, task: "toy-waits", waiting: 2, overdueSeconds: expect.any(Number) },
    ]);
    expect(jobs?.tasks.at(-1)?.overdueSeconds).toBeGreaterThanOrEqual(3600);

    const released = Promise.withResolvers<void>();
    const working = await startJobs({
      maintenanceUrl: fixture.urls.maintenance,
      tasks: { "toy-waits": () => released.promise },
      cron: {},
      log: () => {},
      drainMs: 1000,
    });
    onTestFinished(() => working.stop());
    await expect
      .poll(async () => (await look()).jobs, soon)
      .toMatchObject({ workers: 1, tasks: [{}, {}, { task: "toy-waits", waiting: 0, running: 2 }] });
    released.resolve();
  });
});

describe("the audit log", () => {
  test("has its lag and its alarms, from the database, in every process", async () => {
    expect((await look()).audit).toMatchObject({ sealed: undefined, alarms: ["AUDIT_NOT_SEALED"] });
    const sealed = async () => {
      await sealer().tick();
      return (await look()).audit;
    };
    await expect
      .poll(sealed, soon)
      .toMatchObject({ unsealed: 0, lagSeconds: 0, alarms: [], verification: undefined });

    const change = (statement: string) =>
      fixture.superuser.begin(async (sql) => {
        await sql`set local session_replication_role = replica`;
        await sql.unsafe(statement);
      });
    await fixture.secrets.company(company, product).set("CUSTOM_A", "fake_canary_0002");
    await change(`update audit_events set occurred_at = now() - interval '1 minute'
      where position = (select max(position) from audit_events)`);
    await change("update audit_checkpoints set sealed_at = now() - interval '3 minutes'");
    const { audit } = await look();
    expect(audit).toMatchObject({ unsealed: 1, alarms: ["AUDIT_LAGS", "AUDIT_NOT_SEALED"] });
    expect(audit?.lagSeconds).toBeGreaterThanOrEqual(60);

    await fixture.secrets.audit.verify(operator, {});
    await change("update audit_checkpoints set cluster = '1'");
    expect((await look()).audit).toMatchObject({
      verification: { outcome: "changed" },
      alarms: ["AUDIT_LAGS", "AUDIT_NOT_SEALED", "AUDIT_RESTORED", "AUDIT_CHANGED"],
    });
  });
});

describe("while something fails, the answer comes and says so:", () => {
  test("a part whose table cannot be read is left out, and the others are there", async () => {
    await fixture.superuser`alter table audit_checkpoints rename to hidden`;
    try {
      const health = await look();
      expect(health).toMatchObject({ status: "ready", database: "ok", audit: undefined });
      expect(health.jobs?.tasks.length).toBeGreaterThan(0);
    } finally {
      await fixture.superuser`alter table hidden rename to audit_checkpoints`;
    }
  });

  test("Infisical", async () => {
    fixture.emulator.faults.add({ kind: "answer", status: 503 }, { times: 50 });
    const health = await look().finally(() => fixture.emulator.faults.clear());
    expect(health).toMatchObject({ infisical: "unavailable", database: "ok", jobs: expect.anything() });
  });

  test("a database that stands still, or that is gone", async () => {
    const proxy = await startProxy(fixture.urls.application);
    const through = (url: string) => {
      const changed = new URL(url);
      changed.host = `127.0.0.1:${proxy.port}`;
      return changed.href;
    };
    const { application, maintenance } = fixture.urls;
    const database = connectDatabase({
      applicationUrl: through(application),
      maintenanceUrl: through(maintenance),
    });
    whenDone(() => database.close());
    const { system } = fixture.another({ database });
    expect(await system.health(operator)).toMatchObject({ database: "ok", masterKey: "ok" });
    await new Promise((resolve) => setTimeout(resolve, 1100));

    proxy.pause();
    const startedAt = performance.now();
    const silent = await system.health(operator);
    expect(performance.now() - startedAt).toBeLessThan(4000);
    expect(silent).toMatchObject({
      status: "unavailable",
      database: "silent",
      infisical: "ok",
      breaker: "closed",
    });
    expect([silent.processes, silent.jobs, silent.audit]).toEqual([undefined, undefined, undefined]);

    await proxy.close();
    await expect
      .poll(async () => (await system.health(operator)).database, { timeout: 60_000, interval: 500 })
      .toBe("unavailable");
  });
});

/** Stands between the product and the server of a URL. */
async function startProxy(url: string) {
  const { hostname, port } = new URL(url);
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const upstream = net.connect(Number(port), hostname);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on("error", () => {}).on("close", () => to.destroy());
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a server that listens has a port");
  return {
    port: address.port,
    pause: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
