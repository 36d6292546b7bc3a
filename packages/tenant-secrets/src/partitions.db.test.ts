import {
  partitionByCompany,
  partitionCount,
  readPlans,
  wholeTables,
  type ExecutedStatement,
} from "@repo/db/testing";
import postgres from "postgres";
import { afterAll, expect, test } from "vitest";
import { createTasks } from "./jobs/jobs.ts";
import { createMirrors } from "./testing/mirrored.ts";
import { codeOf, createFixture, operator, product } from "./testing/fixture.ts";
import { storeContract } from "./testing/index.ts";
import { backToInfisical, createMigrator, toDatabase, toHybrid } from "./testing/migrating.ts";

let converted: readonly string[] = [];
let reader: Awaited<ReturnType<typeof readPlans>> | undefined;

const fixture = await createFixture(undefined, undefined, {
  prepareDatabase: async (database) => {
    const superuser = postgres(database.superuserUrl, { max: 1, onnotice: () => {} });
    converted = await partitionByCompany(superuser);
    await superuser.end();
    reader = await readPlans(database);
    return { ...database, urls: { ...database.urls, ...reader.urls } };
  },
});
afterAll(() => reader?.stop());
const { secrets, database, infisical, superuser } = fixture;

/** Of the statements on the application's connections, those that may read several partitions, each because it is of several companies. */
const severalCompanies: Readonly<Record<string, RegExp>> = {
  "the companies of an API key, by which it is accepted": /from public\.api_keys k where/,
  "the companies of a person who signs in, before one is chosen": /from public\.users u where/,
  "secrets that requests of several companies ask for at the same moment, in one answer":
    /unnest\(companies, wanted\)/,
};

test("every table with a company is partitioned by it, or is named with the reason", async () => {
  const tables = await superuser`
    select c.relname as name, c.relkind::text as kind from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = 'public'::regnamespace and a.attname = 'company_id' and c.relkind in ('r', 'p') and not relispartition
    order by 1`;
  expect(tables.filter(({ kind }) => kind === "p").map(({ name }) => String(name))).toEqual(converted);
  expect(tables.filter(({ kind }) => kind === "r").map(({ name }) => String(name))).toEqual(
    Object.keys(wholeTables).toSorted(),
  );
  expect(converted.length).toBeGreaterThan(20);
});

storeContract("partitioned database", async () => ({ database, infisical, store: "database" }));

test("keys are rotated and destroyed on partitions, and nothing is lost", async () => {
  const companies = await Promise.all(Array.from({ length: 8 }, () => fixture.company("database")));
  for (const company of companies) {
    await secrets.company(company, product).set("CUSTOM_A", "fake-of-before", { requestId: "once" });
    await secrets.company(company, product).set("CUSTOM_A", `fake-of-${company}`);
  }
  await secrets.keyRotation.rotate(operator, { backup: async () => "sha256:fake", timeoutMs: 5000 });
  const [first = "", second = ""] = companies;
  await secrets.companyKeyRotation.rotateCompanyKey(operator, first);
  const fresh = fixture.another();
  for (const company of companies) {
    expect(await fresh.company(company, product).get("CUSTOM_A")).toBe(`fake-of-${company}`);
    await fresh.company(company, product).rollback("CUSTOM_A", { toVersion: 1 });
    expect(await fresh.company(company, product).get("CUSTOM_A")).toBe("fake-of-before");
  }
  const wraps = await superuser`
    select master_key_version as version, count(distinct company_id)::int as companies from company_key_wraps group by 1`;
  expect([...wraps]).toEqual([{ version: 2, companies: expect.any(Number) as number }]);
  await secrets.shredding.shred(operator, second, { backupsKeptDays: 1, withInfisicalFolder: false });
  expect(await codeOf(fixture.another().company(second, product).get("CUSTOM_A"))).toBe("KEY_DESTROYED");
});

test("people, mirrors, migrations there and back, jobs and the audit log work on partitions", async () => {
  const company = await fixture.company("infisical");
  await infisical.putSecret(`/tenants/${company}`, "CUSTOM_B", "fake-custom-0001");
  const { migrate } = createMigrator(fixture);
  for (const wanted of [toHybrid, toDatabase, backToInfisical]) {
    expect((await migrate([company], wanted)).companies).toMatchObject([{ state: "done" }]);
    expect(await fixture.another().company(company, product).get("CUSTOM_B")).toBe("fake-custom-0001");
  }
  const mirrored = await createMirrors(fixture).mirrored(["CUSTOM_C"]);
  await mirrored.handle.set("CUSTOM_C", "fake-custom-0002");
  await mirrored.mirror();
  expect((await infisical.findSecret(mirrored.path, "CUSTOM_C"))?.value).toBe("fake-custom-0002");
  await fixture.person(company, "owner");
  const { apiKey } = await secrets.apiKeys.create(operator, {
    name: "test",
    platform: false,
    companies: [company],
    verbs: ["use"],
    secretKeys: ["*"],
    expiresAt: new Date(Date.now() + 86_400_000),
  });
  expect(await secrets.authenticate({ credential: apiKey })).toMatchObject({ actor: { kind: "service" } });

  const retaining = fixture.another({ retention: { versions: 1, runDays: 30 } });
  await superuser`update runs set finished_at = now() - interval '31 days' where kind = 'migrate'`;
  const runsDue = (await superuser`select from runs where kind = 'migrate'`).length;
  expect((await retaining.retention.measure())["prune-runs"]?.due).toBe(runsDue);
  const tasks = createTasks({ database, secrets: retaining, log: () => {} });
  await superuser`insert into write_requests (company_id, actor_kind, actor_id, request_id, body_mac, answer, created_at)
    select id, 'job', 'test', 'old-' || n, '', '[1]', now() - interval '25 hours' from companies, generate_series(1, 700) n`;
  for (const name of [
    "forget-write-requests",
    "forget-deliveries",
    "destroy-old-versions",
    "purge-removed-secrets",
    "prune-runs",
    "remind-of-expiry",
    "settle-outside-writes",
    "sweep-mirrors",
    "rotate-due",
  ]) {
    await tasks[name]?.({}, { signal: new AbortController().signal });
  }
  expect(await superuser`select from write_requests where request_id like 'old-%'`).toHaveLength(0);
  expect(await superuser`select from runs where kind = 'migrate'`).toHaveLength(0);
  await secrets.flush();
  const sealer = secrets.createSealer({ onSealed: () => {}, onAlarm: () => {}, heartbeatMs: 0 });
  await sealer.tick();
  expect((await secrets.audit.verify(operator, { settledAfterMs: 0 })).findings).toEqual([]);
});

test("statements of the application read one partition, but for those that cannot have one company", async () => {
  const company = secrets.company(await fixture.company("database"), product);
  await company.set("CUSTOM_A", "fake-a");
  await company.get("CUSTOM_A");

  const seen = reader?.statements() ?? [];
  const several = seen.filter(({ partitions }) => partitions.length > 1);
  const ofApplication = several.filter(({ role }) => role === "application");
  const unnamed = ofApplication.filter(
    ({ text }) => !Object.values(severalCompanies).some((allowed) => allowed.test(text)),
  );
  expect([...new Set(unnamed.map(({ text }) => text))]).toEqual([]);

  const one = seen.filter(({ partitions }) => partitions.length === 1);
  const count = (statements: typeof seen, role: ExecutedStatement["role"]) =>
    statements.filter((each) => each.role === role).length;
  expect(count(one, "application")).toBeGreaterThan(0);
  // docs/scaling.md quotes this line.
  console.log(
    `${converted.length} tables in ${partitionCount} partitions each, ${seen.length} statements. One partition: application ${count(one, "application")}, ` +
      `maintenance ${count(one, "maintenance")}. Several: application ${ofApplication.length}, maintenance ${count(several, "maintenance")}.`,
  );
});
