import { expect, test, vi } from "vitest";
import { createAuditLog, type SealedBatch } from "@repo/audit-log";
import { createAuditKeys } from "../keys/audit-keys.ts";
import { createMasterKeys } from "../keys/master/master-keys.ts";
import { createFixture, operator, product } from "../testing/fixture.ts";
import { createTasks } from "../jobs/jobs.ts";

const fixture = await createFixture();
const { superuser } = fixture;
const dayMs = 24 * 3_600_000;

/** Runs `work` some days in the past: events and checkpoints carry the process's clock. */
async function daysAgo<T>(days: number, work: () => Promise<T>): Promise<T> {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - days * dayMs });
  try {
    return await work();
  } finally {
    vi.useRealTimers();
  }
}

const company = await daysAgo(100, () => fixture.company("database"));
const checkpoints: SealedBatch[] = [];
const sealer = fixture.secrets.createSealer({
  onSealed: (batch) => checkpoints.push(batch),
  onAlarm: () => {},
  heartbeatMs: 0,
});

async function writeAndSeal(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await fixture.secrets.company(company, product).set("CUSTOM_KEY", `fake-${i}`);
  }
  await fixture.secrets.flush();
  const left = async () => {
    await sealer.tick();
    const [row] = await superuser`
      select count(*)::int as n from audit_events where xid >= (select to_xid from audit_checkpoints order by index desc limit 1)`;
    return row?.["n"] as unknown;
  };
  await expect.poll(left, { timeout: 60_000 }).toBe(0);
}

const verify = () => fixture.secrets.audit.verify(operator, { checkpoints, settledAfterMs: 0 });

async function prune(auditRetentionDays: number | undefined): Promise<void> {
  const secrets = fixture.another({ auditRetentionDays });
  const tasks = createTasks({ secrets, database: fixture.database, log: () => {} });
  await tasks["prune-audit-events"]?.({}, { signal: new AbortController().signal });
}

async function countAll(): Promise<{ readonly events: number; readonly batches: number }> {
  const [row] =
    await superuser`select (select count(*)::int from audit_events where action <> 'audit.prune') as events,
    (select count(*)::int from audit_checkpoints) as batches`;
  return { events: Number(row?.["events"]), batches: Number(row?.["batches"]) };
}

test("expired events are deleted while their checkpoints stay, and verification reports the start of the retention period", async () => {
  const keys = createAuditKeys(
    fixture.database,
    createMasterKeys(fixture.database, fixture.infisical, "default"),
  );
  const audit = createAuditLog(fixture.database, keys);
  await daysAgo(100, async () => {
    await writeAndSeal(4);
    const lost = { action: "audit.lost-checkpoint", version: 9, subject: "a".repeat(64) } as const;
    await audit.record(operator, { ...lost, outcome: "success" });
    await writeAndSeal(4);
  });
  await daysAgo(50, () => writeAndSeal(5));
  await writeAndSeal(3);
  const before = await countAll();
  expect((await verify()).findings).toEqual([]);

  await prune(undefined);
  expect(await countAll()).toMatchObject({ events: before.events + 1 });
  await prune(60);
  const after = await countAll();
  expect(after.batches).toBeGreaterThanOrEqual(before.batches);
  const [oldest] = await superuser`
    select min(occurred_at) as at from audit_events where action <> 'audit.lost-checkpoint'`;
  const ageDays = (Date.now() - new Date(String(oldest?.["at"])).getTime()) / dayMs;
  expect(ageDays).toBeGreaterThan(49);
  expect(ageDays).toBeLessThan(60);
  expect(after.events).toBeLessThan(before.events);

  // What an operator acknowledged once is not a finding again after its retention.
  expect(await superuser`select from audit_events where action = 'audit.lost-checkpoint'`).toHaveLength(1);

  const { findings, notices, batches } = await verify();
  expect(findings).toEqual([]);
  expect(batches).toBeGreaterThanOrEqual(before.batches);
  expect(notices.join("\n")).toMatch(
    /^Retained from 20\d\d-.*: the events of batches 1 to \d+ were removed/m,
  );
  // A second run changes nothing, and adds no event.
  const [{ n: forgettings } = {}] =
    await superuser`select count(*)::int as n from audit_events where action = 'audit.prune'`;
  await prune(60);
  const [{ n: again } = {}] =
    await superuser`select count(*)::int as n from audit_events where action = 'audit.prune'`;
  expect(again).toBe(forgettings);
});

test("events deleted by tampering are reported, even with a forged record of retention", async () => {
  await writeAndSeal(2);
  expect((await verify()).findings).toEqual([]);
  const kinds = async (...statements: string[]) => {
    await superuser.begin(async (sql) => {
      await sql`set local session_replication_role = replica`;
      await sql.unsafe("create table kept_events as select * from audit_events");
      for (const statement of statements) await sql.unsafe(statement);
    });
    try {
      return (await verify()).findings.map(({ kind }) => kind);
    } finally {
      await superuser.begin(async (sql) => {
        await sql`set local session_replication_role = replica`;
        await sql.unsafe("delete from audit_events");
        await sql.unsafe("insert into audit_events overriding system value select * from kept_events");
        await sql.unsafe("drop table kept_events");
      });
    }
  };
  const newest = "(select id from audit_events where action = 'secret.write' order by position desc limit 1)";
  expect(await kinds(`delete from audit_events where id = ${newest}`)).toContain("event-removed");
  expect(
    await kinds(
      `delete from audit_events where id = ${newest}`,
      `insert into audit_events overriding system value select (jsonb_populate_record(e,
        jsonb_build_object('id', gen_random_uuid(), 'version', (select max(index) from audit_checkpoints)))).*
        from audit_events e where action = 'audit.prune' limit 1`,
    ),
  ).toContain("event-removed");
  expect(
    await kinds(
      `update audit_events set company_id = null where id = (select id from audit_events where action = 'secret.write' order by position limit 1)`,
    ),
  ).toContain("event-changed");
});

test("events cannot be deleted by a statement, nor by retention before 30 days, whatever is configured", async () => {
  const refused = /only ever added to/;
  await expect(superuser`delete from audit_events`).rejects.toThrow(refused);
  await expect(
    superuser.begin(async (sql) => {
      await sql`select set_config('tenant_secrets.prunes_audit_events', 'on', true)`;
      await sql`delete from audit_events where occurred_at > now() - interval '29 days'`;
    }),
  ).rejects.toThrow(refused);
  await expect(superuser`truncate audit_events`).rejects.toThrow(refused);
  await expect(superuser`delete from audit_checkpoints`).rejects.toThrow(refused);
});
