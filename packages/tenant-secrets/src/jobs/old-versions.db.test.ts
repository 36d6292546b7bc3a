import type { ISql } from "postgres";
import { beforeEach, describe, expect, test } from "vitest";
import type { RetentionOptions } from "../access/retention.ts";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";

const fixture = await createFixture();
const { superuser } = fixture;
const key = "CUSTOM_KEY";
const never = new AbortController().signal;

let acme: string;
beforeEach(async () => {
  acme = await fixture.company("database");
});

const secretsOf = (company: string) => fixture.secrets.company(company, product);
const destroy = (retention: RetentionOptions | undefined, signal = never) =>
  fixture.another({ retention }).maintenance.destroyOldVersions(signal);

async function writeValues(company: string, count: number): Promise<void> {
  for (let n = 1; n <= count; n++) await secretsOf(company).set(key, `fake-${n}`);
}

/** Versions are immutable otherwise. */
const asReplica = (work: (sql: ISql) => Promise<unknown>) =>
  superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await work(sql);
  });

/** As if the versions had been replaced so long ago, in their order. */
const age = (company: string, ago: string) =>
  asReplica(
    (sql) => sql`update company_secret_versions v set replaced_at = now() - ${ago}::interval
    from companies c where c.id = v.company_id and c.subdomain = ${company} and v.replaced_at is not null`,
  );

async function valuesOf(company: string): Promise<readonly number[]> {
  const rows = await superuser<{ version: number }[]>`
    select v.version from company_secret_versions v join companies c on c.id = v.company_id
    where c.subdomain = ${company} and v.value_encrypted is not null order by v.version`;
  return rows.map(({ version }) => version);
}

async function eventsOf(company: string): Promise<readonly number[]> {
  const rows = await superuser<{ version: number }[]>`
    select e.version from audit_events e join companies c on c.id = e.company_id
    where c.subdomain = ${company} and e.action = 'secret.destroy-versions' order by e.position`;
  return rows.map(({ version }) => version);
}

describe("the number of values that are kept", () => {
  test("is 20 with the current one, and replaced ones stay for a day, where nothing is set", async () => {
    await writeValues(acme, 21);
    await age(acme, "23 hours 59 minutes");
    expect(await destroy(undefined)).toBe(0);
    await age(acme, "24 hours");
    expect(await destroy(undefined)).toBe(1);
    expect(await valuesOf(acme)).toEqual(Array.from({ length: 19 }, (_, i) => i + 2));
    expect(await eventsOf(acme)).toEqual([1]);
  });

  test.each([
    { versions: 1, left: [] },
    { versions: 2, left: [4] },
    { versions: 4, left: [2, 3, 4] },
    { versions: 5, left: [1, 2, 3, 4] },
  ])("of five is $versions with the current one", async ({ versions, left }) => {
    await writeValues(acme, 5);
    await age(acme, "2 days");
    await destroy({ versions });
    expect(await valuesOf(acme)).toEqual(left);
    expect(await secretsOf(acme).get(key)).toBe("fake-5");
  });
});

test("a replaced version keeps its value for so many days, whatever the number is", async () => {
  await writeValues(acme, 5);
  await age(acme, "364 days 23 hours 59 minutes");
  expect(await destroy({ versions: 1, versionDays: 365 })).toBe(0);
  expect(await valuesOf(acme)).toEqual([1, 2, 3, 4]);
  await secretsOf(acme).rollback(key, { toVersion: 1 });
  expect(await secretsOf(acme).get(key)).toBe("fake-1");
  await age(acme, "365 days");
  expect(await destroy({ versions: 1, versionDays: 365 })).toBe(1);
  expect(await valuesOf(acme)).toEqual([]);
  expect(await codeOf(secretsOf(acme).rollback(key, { toVersion: 2 }))).toBe("CONFLICT");
});

test("a version that is pending, or in its grace window, keeps its value", async () => {
  await secretsOf(acme).set(key, "fake-1");
  await secretsOf(acme).set(key, "fake-2", { graceSeconds: 7 * 86_400 });
  await secretsOf(acme).stage(key, "fake-3");
  await secretsOf(acme).set(key, "fake-4");
  await secretsOf(acme).set(key, "fake-5");
  await age(acme, "3 days");
  await destroy({ versions: 1 });
  expect(await valuesOf(acme)).toEqual([1, 3]);
  await secretsOf(acme).promote(key);
  expect(await secretsOf(acme).get(key)).toBe("fake-3");
});

test("a secret whose rotation is not over keeps all, and loses them once it is", async () => {
  await writeValues(acme, 4);
  await age(acme, "2 days");
  const [run] = await superuser<{ id: string }[]>`
    insert into runs (kind, phase, subject, company_id, input, facts, requested_by_kind, requested_by_id, state)
    select 'rotate-secret', 'watch', id || ' ' || ${key}, id, '{}', '{}', 'job', 'rotation', 'failed' from companies where subdomain = ${acme} returning id`;
  expect(await destroy({ versions: 1 })).toBe(0);
  await superuser`update runs set state = 'done', finished_at = now() where id = ${run?.id ?? ""}`;
  expect(await destroy({ versions: 1 })).toBe(1);
  expect(await valuesOf(acme)).toEqual([]);
});

test("a suspended company keeps all, until it is resumed", async () => {
  await writeValues(acme, 4);
  await age(acme, "2 days");
  await fixture.secrets.suspension.suspend(operator, acme);
  expect(await destroy({ versions: 1 })).toBe(0);
  expect(await valuesOf(acme)).toEqual([1, 2, 3]);
  await fixture.secrets.suspension.resume(operator, acme);
  expect(await destroy({ versions: 1 })).toBe(1);
});

/** Ten thousand and more versions, each replaced some days ago, without the time that writing them takes. */
const multiply = (company: string, count: number) =>
  asReplica(async (sql) => {
    await sql`insert into company_secret_versions (company_id, secret_key, version, value_encrypted, company_key_version, actor_kind, actor_id, replaced_at)
      select v.company_id, v.secret_key, v.version + n, v.value_encrypted, v.company_key_version, 'job', 'test', now() - make_interval(days => 2, secs => ${count} - n)
      from company_secret_versions v join companies c on c.id = v.company_id, generate_series(1, ${count}) n
      where c.subdomain = ${company} and v.version = 2`;
    await sql`update company_secrets h set current_version = current_version + ${count}, last_version = last_version + ${count}
      from companies c where c.id = h.company_id and c.subdomain = ${company}`;
    await sql`update company_secret_versions v set version = version + ${count}, value_encrypted = null
      from companies c where c.id = v.company_id and c.subdomain = ${company} and v.version = 3 and v.replaced_at is null`;
  });

describe("ten thousand values that a lowered number makes due", () => {
  beforeEach(async () => {
    await writeValues(acme, 3);
    await asReplica(
      (sql) => sql`delete from company_secret_versions v using companies c
      where c.id = v.company_id and c.subdomain = ${acme} and v.version = 3`,
    );
    await multiply(acme, 10_000);
    await age(acme, "3 days");
    await asReplica(
      (
        sql,
      ) => sql`update company_secret_versions v set replaced_at = now() - interval '3 days' + make_interval(secs => version)
      from companies c where c.id = v.company_id and c.subdomain = ${acme} and v.replaced_at is not null`,
    );
  });

  test("are destroyed a thousand at a time, the oldest first, each with the event of its batch", async () => {
    expect((await valuesOf(acme)).length).toBe(10_002);
    await destroy({ versions: 3 });
    expect(await valuesOf(acme)).toEqual([10_001, 10_002]);
    expect(await eventsOf(acme)).toEqual(Array.from({ length: 10 }, (_, n) => (n + 1) * 1000));
  });

  test("are destroyed by the next job where the connection was ended in the middle of a batch, and that batch is as before", async () => {
    await superuser.unsafe(`create function end_connection() returns trigger language plpgsql security definer as $$
      begin if new.version = 2500 then perform pg_terminate_backend(pg_backend_pid()); end if; return new; end $$`);
    await superuser`create trigger end_connection before update on company_secret_versions for each row execute function end_connection()`;
    expect(await codeOf(destroy({ versions: 3 }))).not.toBe("no error");
    await superuser`drop trigger end_connection on company_secret_versions`;
    await superuser`drop function end_connection`;
    expect((await valuesOf(acme))[0]).toBe(2001);
    expect(await eventsOf(acme)).toEqual([1000, 2000]);
    await destroy({ versions: 3 });
    expect(await valuesOf(acme)).toEqual([10_001, 10_002]);
  });

  test("are destroyed once by two processes that do it at the same time", async () => {
    await Promise.all([destroy({ versions: 3 }), destroy({ versions: 3 })]);
    expect(await valuesOf(acme)).toEqual([10_001, 10_002]);
    const events = await eventsOf(acme);
    expect(events).toEqual(events.toSorted((a, b) => a - b));
    expect(new Set(events).size).toBe(events.length);
    expect(events.at(-1)).toBe(10_000);
  });

  test("are left where the job is told to stop between two batches", async () => {
    const stopping = new AbortController();
    stopping.abort();
    expect(await destroy({ versions: 3 }, stopping.signal)).toBe(0);
    expect((await valuesOf(acme)).length).toBe(10_002);
  });
});

describe("of processes with other settings", () => {
  test("the longest counts while a process with it is there, and the shorter one afterwards", async () => {
    await writeValues(acme, 6);
    await age(acme, "2 days");
    const generous = fixture.another({ retention: { versions: 4, versionDays: 1 } });
    const serving = await generous.serve(fixture.urls.listener, () => {});
    await destroy({ versions: 2, versionDays: 1 });
    expect(await valuesOf(acme)).toEqual([3, 4, 5]);
    await serving.stop();
    await destroy({ versions: 2, versionDays: 1 });
    expect(await valuesOf(acme)).toEqual([5]);
  });

  test("one that was killed counts for ten minutes, and one that says nothing does not count", async () => {
    await writeValues(acme, 6);
    await age(acme, "2 days");
    const all = { versions: 100, versionDays: 100, deliveryDays: 100, runDays: null, auditDays: null };
    await superuser`insert into processes (id, region, master_key_versions, seen_at, retention) values
      (gen_random_uuid(), 'default', '{1}', now(), null), (gen_random_uuid(), 'default', '{1}', now() - interval '9 minutes', ${superuser.json(all)})`;
    expect(await destroy({ versions: 2 })).toBe(0);
    await superuser`update processes set seen_at = now() - interval '10 minutes' where retention is not null`;
    expect(await destroy({ versions: 2 })).toBe(1);
    await superuser`delete from processes`;
  });
});

test("a number outside of its bounds is refused by the library, before anything is opened", () => {
  for (const versions of [0, -1, 1.5, Number.NaN, 10_001])
    expect(() => fixture.another({ retention: { versions } })).toThrow(
      "retention.versions is no whole number from 1 to 10000.",
    );
  expect(() => fixture.another({ retention: { runDays: 29 } })).toThrow("from 30 to 36500");
});
