import { enqueueJob } from "@repo/db";
import { startJobs, type Task } from "@repo/db/jobs";
import { beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { createFixture, product, type Fixture } from "../testing/fixture.ts";
import { createTasks, schedule } from "./jobs.ts";

let fixture: Fixture;
const lines: { readonly sentence: string; readonly code: string | undefined }[] = [];
let tasks: Readonly<Record<string, Task>>;

beforeAll(async () => {
  fixture = await createFixture();
  await fixture.secrets.prepare();
  tasks = createTasks({
    database: fixture.database,
    secrets: fixture.secrets,
    log: (_, sentence, fields) => void lines.push({ sentence, code: fields?.code }),
  });
});

async function run(name: string, payload: unknown = {}): Promise<void> {
  const task = tasks[name];
  if (task === undefined) throw new Error(`There is no task ${name}.`);
  await task(payload, { signal: new AbortController().signal });
}

test("request ids of secrets are deleted after a day, in every company, and not before", async () => {
  const { superuser, secrets } = fixture;
  for (const subdomain of [await fixture.company("database"), await fixture.company("database")]) {
    await secrets.company(subdomain, product).set("CUSTOM_A", "a", { requestId: "today" });
    await superuser`insert into write_requests (company_id, actor_kind, actor_id, request_id, body_mac, answer, created_at)
      select id, 'job', 'test', 'old-' || n, '', '[1]', now() - interval '25 hours' from companies, generate_series(1, 3000) n
      where subdomain = ${subdomain}`;
  }
  await run("forget-write-requests");
  const left =
    await superuser`select distinct request_id as id, count(*)::int as count from write_requests group by 1`;
  expect([...left]).toEqual([{ id: "today", count: 2 }]);
});

test("request ids of changes of companies, members and API keys are deleted after a day", async () => {
  const { superuser } = fixture;
  await superuser`insert into management_requests (actor_kind, actor_id, request_id, digest, created_at) values
    ('operator', 'test', 'old', '', now() - interval '25 hours'), ('operator', 'test', 'today', '', now() - interval '23 hours')`;
  await run("forget-write-requests");
  const left = await superuser`select request_id as id from management_requests`;
  expect([...left]).toEqual([{ id: "today" }]);
});

test("processes not seen for a day are deleted from the registry", async () => {
  const { superuser } = fixture;
  await superuser`insert into processes (id, region, master_key_versions, seen_at) values
    (gen_random_uuid(), 'default', '{1}', now() - interval '25 hours'), (gen_random_uuid(), 'default', '{2}', now() - interval '23 hours')`;
  await run("forget-processes");
  const left = await superuser`select master_key_versions as versions from processes`;
  expect([...left]).toEqual([{ versions: [2] }]);
});

test("a master key active for more than 90 days is reported in the log, and a younger one is not", async () => {
  const age = (days: number) =>
    fixture.superuser`update master_keys set activated_at = now() - make_interval(days => ${days})`;
  await age(89);
  await run("check-master-key-age");
  expect(lines).toEqual([]);
  await age(91);
  await run("check-master-key-age");
  expect(lines).toEqual([
    {
      code: "MASTER_KEY_DUE",
      sentence:
        "version 1 of the master key of region default has been active for more than 90 days: rotate it",
    },
  ]);
});

test("due secrets are purged, due versions destroyed, and expiry reminders audited", async () => {
  const { superuser, secrets } = fixture;
  const subdomain = await fixture.company("database");
  const acme = secrets.company(subdomain, product);
  for (const name of ["CUSTOM_OLD", "CUSTOM_REMOVED", "CUSTOM_EXPIRED"] as const) {
    for (let i = 0; i < 22; i++) await acme.set(name, `fake-${i}`);
  }
  await acme.remove("CUSTOM_REMOVED");
  await superuser`update company_secrets set recover_until = now() where secret_key = 'CUSTOM_REMOVED'`;
  await fixture.remacHeads();
  await superuser`update company_secret_versions set expires_at = now() where secret_key = 'CUSTOM_EXPIRED' and version = 22`;
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`update company_secret_versions set replaced_at = replaced_at - interval '2 days' where secret_key = 'CUSTOM_OLD'`;
  });
  for (const name of ["purge-removed-secrets", "destroy-old-versions", "remind-of-expiry"]) await run(name);
  const events = await superuser`
    select action, secret_key as key, version from audit_events where actor_id = 'maintenance' order by position`;
  expect(events.map((row) => `${row["action"]} ${row["key"]} ${row["version"]}`)).toEqual([
    "secret.purge CUSTOM_REMOVED 22",
    "secret.destroy-versions CUSTOM_OLD 2",
    "secret.expired CUSTOM_EXPIRED 22",
  ]);
});

test("an invalid payload of a task is refused, and not quoted in the error", async () => {
  for (const payload of [{ value: "a-canary" }, [], "a-canary", null]) {
    const refused = run("forget-processes", payload);
    await expect(refused).rejects.toMatchObject({ code: "INVALID_INPUT" });
    await expect(refused).rejects.not.toThrow("canary");
  }
});

test("expiry is checked every five minutes", () => {
  expect(schedule["remind-of-expiry"]).toBe("*/5 * * * *");
});

test("every scheduled task exists, and runs when it is due or requested", async () => {
  expect(Object.keys(tasks)).toEqual(expect.arrayContaining(Object.keys(schedule)));
  const done: string[] = [];
  const jobs = await startJobs({
    maintenanceUrl: fixture.urls.maintenance,
    tasks,
    cron: schedule,
    log: (_, sentence) => void done.push(sentence),
  });
  onTestFinished(() => jobs.stop());
  await fixture.database.acrossCompanies((statements) =>
    enqueueJob(statements, { task: "forget-processes", payload: {} }),
  );
  await vi.waitFor(() => expect(done).toContain("job forget-processes done"), { timeout: 60_000 });
});
