import { expect, test } from "vitest";
import { createFixture, operator, product, silentUrl } from "../testing/fixture.ts";
import { createTasks } from "./jobs.ts";

const fixture = await createFixture();
const { superuser } = fixture;
const secrets = fixture.another({
  auditRetentionDays: 30,
  retention: { versions: 3, versionDays: 2, runDays: 30, deliveryDays: 4 },
});
const tasks = createTasks({ secrets, database: fixture.database, log: () => {} });
const hour = 3600;

/** Of a job that has one of these, how many rows it has to delete, and for how many hours the oldest has been due. */
async function measured() {
  const jobs = Object.entries(await secrets.retention.measure());
  return Object.fromEntries(jobs.map(([job, { due, seconds }]) => [job, [due, Math.round(seconds / hour)]]));
}

const none = {
  "destroy-old-versions": [0, 0],
  "purge-removed-secrets": [0, 0],
  "forget-deliveries": [0, 0],
  "prune-runs": [0, 0],
  "prune-audit-events": [0, 0],
  "forget-write-requests": [0, 0],
  "forget-rate-limits": [0, 0],
};

test("what each job has to delete is measured, with the age of the oldest, and is nothing once the jobs have run", async () => {
  const company = await fixture.company("database");
  const acme = secrets.company(company, product);
  expect(await measured()).toEqual(none);

  for (let n = 1; n <= 6; n++) await acme.set("CUSTOM_OFTEN", `fake-${n}`);
  await acme.set("CUSTOM_REMOVED", "fake-removed", { requestId: "old" });
  await acme.remove("CUSTOM_REMOVED");
  await superuser`update company_secrets set recover_until = now() - interval '7 hours' where secret_key = 'CUSTOM_REMOVED'`;
  await fixture.remacHeads();
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`update company_secret_versions set replaced_at = now() - make_interval(days => 3, hours => 6 - version) where secret_key = 'CUSTOM_OFTEN' and version < 6`;
  });
  const { endpoint } = await secrets.webhooks.create(await fixture.person(company, "owner"), {
    company,
    url: silentUrl,
    description: "",
    perSecond: 1,
  });
  await superuser`update webhook_endpoints set state = 'paused' where id = ${endpoint.id}`;
  await superuser`update webhook_deliveries set created_at = now() - interval '4 days 5 hours'`;
  const deliveries = (await superuser`select from webhook_deliveries`).length;
  expect(deliveries).toBeGreaterThan(0);
  await superuser`insert into runs (kind, phase, subject, input, facts, requested_by_kind, requested_by_id, state, finished_at)
    select 'migrate', 'done', n::text, '{}', '{}', 'operator', 'test', 'done', now() - make_interval(days => 30, hours => n) from generate_series(1, 4) n`;
  await superuser`update write_requests set created_at = now() - interval '26 hours'`;
  await superuser`insert into rate_limits values ('test', 1, now() - interval '3 hours')`;

  expect(await measured()).toEqual({
    ...none,
    // Of five replaced ones two are kept. The oldest was replaced three days and five hours ago, and is kept for two days.
    "destroy-old-versions": [3, 29],
    "purge-removed-secrets": [1, 7],
    "forget-deliveries": [deliveries, 5],
    "prune-runs": [4, 4],
    "forget-write-requests": [1, 2],
    "forget-rate-limits": [1, 3],
  });
  await fixture.secrets.suspension.suspend(operator, company);
  expect(await measured()).toMatchObject({
    "destroy-old-versions": [0, 0],
    "purge-removed-secrets": [0, 0],
    "forget-deliveries": [0, 0],
  });
  await fixture.secrets.suspension.resume(operator, company);
  for (const job of Object.keys(none)) await tasks[job]?.({}, { signal: new AbortController().signal });
  expect(await measured()).toEqual(none);
});

test("a version that became one too many just now was not due before", async () => {
  const company = await fixture.company("database");
  const acme = secrets.company(company, product);
  for (let n = 1; n <= 3; n++) await acme.set("CUSTOM_SELDOM", `fake-${n}`);
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`update company_secret_versions set replaced_at = now() - interval '1 year' where secret_key = 'CUSTOM_SELDOM' and version < 3`;
  });
  expect((await measured())["destroy-old-versions"]).toEqual([0, 0]);
  await acme.set("CUSTOM_SELDOM", "fake-4");
  expect((await measured())["destroy-old-versions"]).toEqual([1, 0]);
});

test("runs have no time where they are kept for good, and the audit log neither", async () => {
  const jobs = Object.keys(await fixture.secrets.retention.measure());
  expect(jobs).toContain("destroy-old-versions");
  expect(jobs).not.toContain("prune-runs");
  expect(jobs).not.toContain("prune-audit-events");
});

test("no event is pruned while a process is there that keeps them for good", async () => {
  const forGood = fixture.another({ retention: {} });
  const serving = await forGood.serve(fixture.urls.listener, () => {});
  expect(Object.keys(await secrets.retention.measure())).not.toContain("prune-audit-events");
  expect(Object.keys(await secrets.retention.measure())).not.toContain("prune-runs");
  await serving.stop();
  expect(Object.keys(await secrets.retention.measure())).toContain("prune-audit-events");
});
