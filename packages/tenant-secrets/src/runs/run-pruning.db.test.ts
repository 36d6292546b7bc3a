import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RetentionOptions } from "../access/retention.ts";
import { verifyMigrationReport } from "../migration/report.ts";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import { backToInfisical, createMigrator, toDatabase } from "../testing/migrating.ts";

const fixture = await createFixture();
const { superuser, secrets } = fixture;
const never = new AbortController().signal;
const month = { runDays: 30 };

let acme: string;
beforeEach(async () => {
  acme = await fixture.company("database");
});
/** Receipts are refused to everybody else. */
afterEach(() =>
  superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`truncate runs, migration_companies, rotation_policies, rotation_credentials`;
  }),
);

const prune = (retention: RetentionOptions | undefined, signal = never) =>
  fixture.another({ retention }).retention.pruneRuns(signal);

interface Given {
  readonly kind?: string;
  readonly state?: string;
  readonly ago?: string;
  readonly company?: string | null;
}

/** A run that ended so long ago, by plain SQL: of `acme` unless another company, or none, is given. */
async function run({ kind = "rotate-secret", state = "done", ago = "31 days", company = acme }: Given = {}) {
  const id = randomUUID();
  const ended = state === "done" || state === "cancelled";
  await superuser`
    insert into runs (id, kind, phase, subject, company_id, input, facts, requested_by_kind, requested_by_id, state, started_at, finished_at, report, report_mac)
    select ${id}, ${kind}, 'done', ${id}, (select id from companies where subdomain = ${company}), '{"secretKey":"CUSTOM_KEY"}', '{}', 'job', 'test', ${state},
      now() - interval '1 year', case when ${ended} then now() - ${ago}::interval end, 'a report', 'a proof'`;
  return id;
}

async function left(): Promise<readonly string[]> {
  const rows = await superuser<{ id: string }[]>`select id from runs`;
  return rows.map(({ id }) => id);
}

const eventsOf = async (id: string): Promise<number> =>
  (await superuser`select from audit_events where action = 'run.prune' and subject = ${id}`).length;

test("runs stay for good where nothing is set", async () => {
  const old = await run({ ago: "99 years" });
  expect(await prune(undefined)).toBe(0);
  expect(await prune({ versions: 5 })).toBe(0);
  expect(await left()).toEqual([old]);
});

test("a finished or cancelled run is deleted after its days, and not a minute earlier, with an event", async () => {
  const [due, cancelled] = [await run({ ago: "30 days" }), await run({ ago: "30 days", state: "cancelled" })];
  const young = await run({ ago: "29 days 23 hours 59 minutes" });
  expect(await prune(month)).toBe(2);
  expect(await left()).toEqual([young]);
  for (const id of [due, cancelled]) expect(await eventsOf(id)).toBe(1);
  expect(await codeOf(secrets.runs.get(operator, due))).toBe("NOT_FOUND");
});

describe("however old it is, a run stays", () => {
  test.each(["running", "paused", "failed", "cancelling"])("that is %s", async (state) => {
    const id = await run({ state });
    await prune(month);
    expect(await left()).toEqual([id]);
  });

  test.each(["delete-company", "rotate-master-key", "of-a-later-release"])("of the kind %s", async (kind) => {
    const ids = [
      await run({ kind, ago: "9 years" }),
      await run({ kind, ago: "9 years", state: "cancelled" }),
    ];
    await prune(month);
    expect((await left()).toSorted()).toEqual(ids.toSorted());
  });

  test("that is the last one of a policy", async () => {
    await secrets.company(acme, product).set("CUSTOM_KEY", "fake-1");
    const id = await run();
    await superuser`insert into rotation_policies (company_id, secret_key, driver, settings, overlap_seconds, due_for_version, last_run_id, actor_kind, actor_id)
      select id, 'CUSTOM_KEY', 'test', '{}', 0, 1, ${id}, 'job', 'test' from companies where subdomain = ${acme}`;
    await prune(month);
    expect(await left()).toEqual([id]);
    await superuser`update rotation_policies set last_run_id = null`;
    expect(await prune(month)).toBe(1);
  });

  test.each(["wanted", "live", "retiring", "orphan"])("that has a credential which is %s", async (state) => {
    await secrets.company(acme, product).set("CUSTOM_KEY", "fake-1");
    const id = await run();
    await superuser`insert into rotation_credentials (company_id, secret_key, marker, run_id, state)
      select id, 'CUSTOM_KEY', 'test', ${id}, ${state} from companies where subdomain = ${acme}`;
    await prune(month);
    expect(await left()).toEqual([id]);
    await superuser`update rotation_credentials set state = 'retired'`;
    expect(await prune(month)).toBe(1);
  });

  test("that holds the writes of a company", async () => {
    const id = await run({ kind: "move-company" });
    await superuser`insert into store_holds select id, ${id}, now() from companies where subdomain = ${acme}`;
    await prune(month);
    expect(await left()).toEqual([id]);
    await superuser`delete from store_holds`;
    expect(await prune(month)).toBe(1);
  });

  test("of a suspended company, and a migration of one with what it found of each", async () => {
    const own = await run();
    const migration = await run({ kind: "migrate", company: null });
    await superuser`insert into migration_companies (run_id, company_id, state, finished_at) select ${migration}, id, 'done', now() from companies`;
    await secrets.suspension.suspend(operator, acme);
    expect(await prune(month)).toBe(0);
    await secrets.suspension.resume(operator, acme);
    expect(await prune(month)).toBe(2);
    expect(await left()).not.toContain(own);
    expect(await superuser`select from migration_companies`).toHaveLength(0);
  });
});

test("the database refuses to delete a receipt, or a run that is not over, whatever asks for it", async () => {
  for (const given of [{ kind: "delete-company" }, { kind: "rotate-master-key" }, { state: "paused" }]) {
    const id = await run(given);
    await expect(superuser`delete from runs where id = ${id}`).rejects.toThrow("this run is kept");
  }
});

describe("ten thousand runs", () => {
  beforeEach(async () => {
    await superuser`insert into runs (kind, phase, subject, company_id, input, facts, requested_by_kind, requested_by_id, state, finished_at)
      select 'rotate-secret', 'done', n::text, (select id from companies where subdomain = ${acme}), '{"secretKey":"CUSTOM_KEY"}', '{}', 'job', 'test', 'done',
        now() - make_interval(days => 40, secs => n) from generate_series(1, 10000) n`;
  });
  const events = async () => {
    const [row] = await superuser<{ all: number; distinct: number }[]>`
      select count(*)::int as all, count(distinct subject)::int as distinct from audit_events e join companies c on c.id = e.company_id
      where action = 'run.prune' and c.subdomain = ${acme}`;
    return { ...row };
  };

  test("are deleted in batches, once, by two processes at the same time", async () => {
    const both = await Promise.all([prune(month), prune(month)]);
    expect(both.reduce((sum, each) => sum + each)).toBe(10_000);
    expect(await left()).toEqual([]);
    expect(await events()).toEqual({ all: 10_000, distinct: 10_000 });
  });

  test("are deleted by the next job where the connection was ended in the middle of a batch, with an event for each", async () => {
    await superuser.unsafe(`create function end_connection() returns trigger language plpgsql security definer as $$
      begin if old.subject = '9500' then perform pg_terminate_backend(pg_backend_pid()); end if; return old; end $$`);
    await superuser`create trigger end_connection before delete on runs for each row execute function end_connection()`;
    expect(await codeOf(prune(month))).not.toBe("no error");
    await superuser`drop trigger end_connection on runs`;
    await superuser`drop function end_connection`;
    expect((await left()).length).toBe(9600);
    expect(await events()).toEqual({ all: 400, distinct: 400 });
    expect(await prune(month)).toBe(9600);
    expect(await events()).toEqual({ all: 10_000, distinct: 10_000 });
  });
});

test("a migration there, retention, and its rollback: the values are there, and the report that was handed out is still proven", async () => {
  const company = await fixture.company("infisical");
  await fixture.infisical.putSecret(`/tenants/${company}`, "CUSTOM_B", "fake-custom-0001");
  const { migrate } = createMigrator(fixture);
  const there = await migrate([company], toDatabase);
  expect(there.companies).toMatchObject([{ state: "done" }]);
  const signed = JSON.stringify(await secrets.migrations.findReport(operator, there.run));
  for (let n = 2; n <= 4; n++) await secrets.company(company, product).set("CUSTOM_B", `fake-custom-000${n}`);
  await superuser`update runs set finished_at = now() - interval '31 days' where id = ${there.run}`;
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`update company_secret_versions set replaced_at = now() - interval '2 days' where replaced_at is not null`;
  });
  const retaining = fixture.another({ retention: { ...month, versions: 1 } });
  expect(await retaining.retention.pruneRuns(never)).toBe(1);
  expect(await retaining.maintenance.destroyOldVersions(never)).toBe(1);
  expect(await codeOf(secrets.migrations.findReport(operator, there.run))).toBe("NOT_FOUND");

  const back = await migrate([company], { ...backToInfisical, acceptLosses: true });
  expect(back.companies).toMatchObject([{ state: "done" }]);
  expect(await fixture.another().company(company, product).get("CUSTOM_B")).toBe("fake-custom-0004");
  const report = verifyMigrationReport(signed, await secrets.shredding.publicKey(operator));
  expect(report.companies).toHaveLength(1);
});

test("the audit log verifies without a finding after all of this", async () => {
  await secrets.flush();
  const sealer = secrets.createSealer({ onSealed: () => {}, onAlarm: () => {}, heartbeatMs: 0 });
  await sealer.tick();
  expect((await secrets.audit.verify(operator, { settledAfterMs: 0 })).findings).toEqual([]);
});
