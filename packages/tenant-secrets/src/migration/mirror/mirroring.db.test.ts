import { startJobs } from "@repo/db/jobs";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator } from "@repo/infisical/emulator";
import { expect, onTestFinished, test, vi } from "vitest";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { customSecret, defineCatalog } from "@repo/catalog";
import { assembleTenantSecrets } from "../../assemble.ts";
import { createTasks } from "../../jobs/jobs.ts";
import { codeOf, createFixture, operator, product } from "../../testing/fixture.ts";
import { backToInfisical, createMigrator, toDatabase } from "../../testing/migrating.ts";
import { createMirrors, type Mirrored } from "../../testing/mirrored.ts";

const fixture = await createFixture();
const { secrets, migrator, mirrored } = createMirrors(fixture);
const { superuser, infisical, emulator } = fixture;

const inFolder = async ({ path }: Pick<Mirrored, "path">): Promise<Record<string, string>> =>
  Object.fromEntries((await infisical.listSecrets(path)).map(({ secretKey, value }) => [secretKey, value]));
const jobsOf = ({ id }: Mirrored) =>
  superuser`select from graphile_worker._private_jobs where key = ${`mirror-company:${id}`}`;
const eventsOf = async ({ id }: Mirrored, action: string) => {
  await secrets.flush();
  const rows = await superuser<
    { key: string; version: number | null; outcome: string; reason: string | null }[]
  >`
    select secret_key as key, version, outcome, reason from audit_events
    where company_id = ${id} and action = ${action} order by position`;
  return [...rows];
};
/** Requests that change something in a company's folder, since a call. */
function watchWrites(): () => number {
  const before = emulator.requests().length;
  return () =>
    emulator
      .requests()
      .slice(before)
      .filter(({ method, path }) => method !== "GET" && /secrets/.test(path)).length;
}

test(
  "writes and removals reach the folder within seconds, and many of one secret in few requests",
  { timeout: 180_000 },
  async () => {
    const company = await mirrored(["CUSTOM_A", "CUSTOM_GONE"]);
    const writes = watchWrites();
    const jobs = await startJobs({
      maintenanceUrl: fixture.urls.maintenance,
      tasks: createTasks({ database: fixture.database, secrets, log: () => {} }),
      cron: {},
      log: () => {},
    });
    onTestFinished(() => jobs.stop());
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => company.handle.set(`CUSTOM_${i % 5}`, `fake-quick-${i}`)),
    );
    await company.handle.remove("CUSTOM_GONE");
    await vi.waitFor(
      async () => expect((await company.status()).mirror).toEqual({ behind: 0, findings: [] }),
      { timeout: 60_000, interval: 200 },
    );
    const values = await company.handle.getMany(["CUSTOM_0", "CUSTOM_1", "CUSTOM_2", "CUSTOM_3", "CUSTOM_4"]);
    expect(await inFolder(company)).toEqual({ CUSTOM_A: "fake-CUSTOM_A-0001", ...values });
    expect(await company.status()).toMatchObject({ inDatabase: 6, synced: 6 });
    // A pass that began in the middle of the writes writes a secret once more.
    expect(writes()).toBeLessThan(25);
  },
);

test("a change that its job lost is found by the sweep", async () => {
  const company = await mirrored(["CUSTOM_A"]);
  await company.handle.set("CUSTOM_A", "fake-0002");
  expect(await jobsOf(company)).toHaveLength(1);
  await superuser`delete from graphile_worker._private_jobs`;
  const { mirror } = await company.status();
  expect(mirror).toMatchObject({ behind: 1, behindSince: expect.any(Date) });
  expect(Date.now() - (mirror?.behindSince?.getTime() ?? 0)).toBeLessThan(30_000);
  expect((await secrets.mirroring.lag()).companies).toBeGreaterThan(0);
  expect(await secrets.mirroring.sweep()).toBeGreaterThan(0);
  expect(await jobsOf(company)).toHaveLength(1);
  await company.mirror();
  expect(await inFolder(company)).toEqual({ CUSTOM_A: "fake-0002" });
  await superuser`delete from graphile_worker._private_jobs`;
  await secrets.mirroring.sweep();
  expect(await jobsOf(company)).toHaveLength(0);
});

test("the age of a change counts from the first that the folder lacks", async () => {
  const company = await mirrored(["CUSTOM_A"]);
  await company.handle.set("CUSTOM_A", "fake-0002");
  const before = (await company.status()).mirror?.behindSince;
  await company.handle.set("CUSTOM_A", "fake-0003");
  expect((await company.status()).mirror).toMatchObject({ behind: 1, behindSince: before });
});

test.for(["current", "older"] as const)(
  "a change of the folder by others is told once and overwritten: a %s Infisical",
  async (generation) => {
    const server = await startInfisicalEmulator({ generation });
    onTestFinished(() => server.stop());
    const client = createInfisicalClient({ ...server, environment: "dev" });
    const key = await infisical.findSecret("/hono-api", "MASTER_ENCRYPTION_KEY");
    await client.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", key?.value ?? "");
    const there = createMirrors({
      ...fixture,
      infisical: client,
      another: (options) => fixture.another({ infisical: client, ...options }),
    });
    const company = await there.mirrored(["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"]);
    await client.putSecret(company.path, "CUSTOM_A", "fake-by-others");
    await client.deleteSecret(company.path, "CUSTOM_B");
    await company.handle.set("CUSTOM_C", "fake-ours");
    await company.mirror();
    expect(await client.listSecrets(company.path)).toMatchObject([
      { secretKey: "CUSTOM_A", value: "fake-CUSTOM_A-0001", version: 3 },
      { secretKey: "CUSTOM_B", value: "fake-CUSTOM_B-0001" },
      { secretKey: "CUSTOM_C", value: "fake-ours", version: 2 },
    ]);
    const told = await eventsOf(company, "company.drift");
    expect(told).toMatchObject([
      { key: "CUSTOM_A", version: 2 },
      { key: "CUSTOM_B", version: null },
    ]);
    await company.mirror();
    expect(await eventsOf(company, "company.drift")).toHaveLength(2);
    expect(JSON.stringify(await superuser`select e::text from audit_events e`)).not.toContain(
      "fake-by-others",
    );
  },
);

test("a folder is compared once an hour where nothing changes in the database", async () => {
  const company = await mirrored(["CUSTOM_A"]);
  await superuser`update company_stores set mirror_compared_at = now() - interval '61 minutes' where company_id = ${company.id}`;
  await superuser`delete from graphile_worker._private_jobs`;
  await secrets.mirroring.sweep();
  expect(await jobsOf(company)).toHaveLength(1);
});

test("a value that Infisical cannot have is told once, is not tried again, and is brought once it is replaced", async () => {
  const company = await mirrored(["CUSTOM_A"]);
  await company.handle.set("CUSTOM_A", " fake-with-space ");
  await company.handle.set("CUSTOM_R", "${prod.tenants.other.KEY}");
  await company.mirror();
  const findings = [
    { code: "WHITE_SPACE", secretKey: "CUSTOM_A" },
    { code: "REFUSED_BY_INFISICAL", secretKey: "CUSTOM_R" },
  ];
  expect(await company.status()).toMatchObject({ synced: 0, mirror: { behind: 0, findings } });
  const failed = async () =>
    (await eventsOf(company, "secret.mirror")).filter(({ outcome }) => outcome === "failed");
  expect(await failed()).toMatchObject([
    { key: "CUSTOM_R", reason: "INVALID_VALUE" },
    { key: "CUSTOM_A", version: 2, reason: "INVALID_VALUE" },
  ]);
  const writes = watchWrites();
  await company.mirror();
  expect([writes(), (await failed()).length]).toEqual([0, 2]);
  await company.handle.set("CUSTOM_A", "fake-without-space");
  await company.handle.remove("CUSTOM_R");
  await company.mirror();
  expect((await company.status()).mirror).toEqual({ behind: 0, findings: [] });
  expect(await inFolder(company)).toEqual({ CUSTOM_A: "fake-without-space" });
});

test("a secret that the catalogue keeps in Infisical is never touched there", async () => {
  const catalog = defineCatalog({
    ...deliveryChatCatalog.entries,
    STAYING: { ...customSecret, backfill: false },
  });
  const own = assembleTenantSecrets({
    database: fixture.database,
    infisical,
    catalog,
    operatorApprovals: 1,
    mirrorRequestsPerMinute: null,
  });
  const company = await mirrored(["CUSTOM_A"], "hybrid");
  await infisical.putSecret(company.path, "STAYING", "fake-there");
  const acme = own.company(company.subdomain, product);
  await acme.set("STAYING", "fake-here");
  await acme.set("CUSTOM_A", "fake-0002");
  await own.mirroring.mirror(company.id, new AbortController().signal);
  expect(await inFolder(company)).toEqual({ CUSTOM_A: "fake-0002", STAYING: "fake-there" });
  const [status] = await own.migrations.status(operator, { company: company.subdomain, limit: 1 });
  expect(status?.mirror).toEqual({ behind: 0, findings: [] });
});

test("writes of a migration's hold are waited for, and a mirror meets no hold afterwards", async () => {
  const company = await mirrored(["CUSTOM_A"]);
  await company.handle.set("CUSTOM_A", "fake-0002");
  await superuser`insert into store_holds values (${company.id}, gen_random_uuid(), now() + interval '1 minute')`;
  await company.mirror();
  expect(await inFolder(company)).toEqual({ CUSTOM_A: "fake-CUSTOM_A-0001" });
  expect(await jobsOf(company)).toHaveLength(1);
  await superuser`delete from store_holds`;
  await company.mirror();
  expect(await inFolder(company)).toEqual({ CUSTOM_A: "fake-0002" });
});

test("while Infisical does not answer, passes pause for longer each time, one line is logged, and then the mirror goes on", async () => {
  const company = await mirrored(["CUSTOM_A"]);
  await company.handle.set("CUSTOM_A", "fake-0002");
  emulator.faults.add({ kind: "answer", status: 500 }, { times: 1000, path: /secrets/ });
  onTestFinished(() => emulator.faults.clear());
  expect((await company.mirror())?.code).toBe("STORE_UNAVAILABLE");
  const pause = async () => {
    const [row] = await superuser<{ seconds: number }[]>`
      select extract(epoch from mirror_not_before - clock_timestamp())::float8 as seconds from company_stores where company_id = ${company.id}`;
    return row?.seconds ?? 0;
  };
  expect(await pause()).toBeGreaterThan(3);
  // Nothing is sent during the pause, and the job waits for its end.
  const before = emulator.requests().length;
  expect(await company.mirror()).toBeUndefined();
  expect(emulator.requests()).toHaveLength(before);
  const end = () =>
    superuser`update company_stores set mirror_not_before = clock_timestamp() where company_id = ${company.id}`;
  await end();
  expect(await company.mirror()).toBeUndefined();
  expect(await pause()).toBeGreaterThan(8);
  expect(await company.handle.get("CUSTOM_A")).toBe("fake-0002");
  emulator.faults.clear();
  await end();
  await vi.waitFor(
    async () => {
      await end();
      await company.mirror();
      expect(await inFolder(company)).toEqual({ CUSTOM_A: "fake-0002" });
    },
    { timeout: 60_000, interval: 500 },
  );
});

test("two passes at once write once", async () => {
  const company = await mirrored(["CUSTOM_A"]);
  await company.handle.set("CUSTOM_A", "fake-0002");
  const writes = watchWrites();
  await Promise.all([company.mirror(), company.mirror(), company.mirror()]);
  expect(writes()).toBe(1);
  expect(await inFolder(company)).toEqual({ CUSTOM_A: "fake-0002" });
});

test("a mirror that is off brings nothing", async () => {
  const company = await mirrored(["CUSTOM_A"]);
  await secrets.mirroring.set(operator, { companies: [company.subdomain], isOn: false });
  await superuser`delete from graphile_worker._private_jobs`;
  await company.handle.set("CUSTOM_A", "fake-0002");
  expect(await jobsOf(company)).toHaveLength(0);
  await secrets.mirroring.sweep();
  await company.mirror();
  expect(await inFolder(company)).toEqual({ CUSTOM_A: "fake-CUSTOM_A-0001" });
  const { isMirrored, mirror } = await company.status();
  expect([isMirrored, mirror]).toEqual([false, undefined]);
  expect((await eventsOf(company, "company.mirror")).map(({ reason }) => reason)).toEqual([
    "MIRROR_ON",
    "MIRROR_OFF",
  ]);
});

test("the way back to Infisical, the cleanup and shredding end a mirror", { timeout: 180_000 }, async () => {
  const back = await mirrored(["CUSTOM_A"]);
  await back.handle.set("CUSTOM_A", "fake-0002");
  await back.mirror();
  const { companies } = await migrator.migrate([back.subdomain], { ...backToInfisical, acceptLosses: true });
  expect(companies[0]).toMatchObject({ state: "done", result: { moved: 0 } });
  const cleaned = await mirrored(["CUSTOM_A"]);
  await superuser`update company_stores set changed_at = now() - interval '40 days' where company_id = ${cleaned.id}`;
  await migrator.migrate([cleaned.subdomain], { verb: "cleanup", afterDays: 30, folders: 1 });
  const shredded = await mirrored(["CUSTOM_A"]);
  await secrets.shredding.shred(operator, shredded.subdomain, { backupsKeptDays: 30 });
  for (const company of [back, cleaned, shredded]) {
    expect((await company.status()).isMirrored).toBe(false);
    expect((await eventsOf(company, "company.mirror")).at(-1)).toMatchObject({ reason: "MIRROR_OFF" });
  }
  const on = (company: Mirrored) =>
    codeOf(secrets.mirroring.set(operator, { companies: [company.subdomain], isOn: true }));
  expect([await on(back), await on(cleaned), await on(shredded)]).toEqual([
    "NOT_SUPPORTED",
    "NOT_SUPPORTED",
    "KEY_DESTROYED",
  ]);
});

test("a company without a folder, or that reads from it, gets no mirror, and neither do those named with it", async () => {
  const fine = await mirrored(["CUSTOM_A"]);
  await secrets.mirroring.set(operator, { companies: [fine.subdomain], isOn: false });
  const set = (...companies: string[]) => codeOf(secrets.mirroring.set(operator, { companies, isOn: true }));
  expect([
    await set(fine.subdomain, await fixture.company("infisical")),
    await set(fine.subdomain, await fixture.company("database")),
    await set(fine.subdomain, "no-such"),
  ]).toEqual(["NOT_SUPPORTED", "NOT_SUPPORTED", "NOT_FOUND"]);
  expect((await fine.status()).isMirrored).toBe(false);
});

test("what others change in the folder in the second of a switch is named, and counts for nothing", async () => {
  const subdomain = await fixture.company("infisical");
  const path = `/tenants/${subdomain}`;
  for (const name of ["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"]) await infisical.putSecret(path, name, "fake-0001");
  const bulk = infisical.bulk();
  const editing = fixture.another({
    infisical: {
      ...infisical,
      bulk: () => ({
        ...bulk,
        surveySummaries: async (at) => {
          await infisical.putSecret(path, "CUSTOM_A", "fake-late");
          await infisical.deleteSecret(path, "CUSTOM_B");
          await infisical.putSecret(path, "CUSTOM_NEW", "fake-late");
          return bulk.surveySummaries(at);
        },
      }),
    },
  });
  const { companies } = await createMigrator({ secrets: editing }).migrate([subdomain], toDatabase);
  const code = "CHANGED_AFTERWARDS";
  expect(companies[0]).toMatchObject({
    state: "done",
    result: {
      findings: ["CUSTOM_A", "CUSTOM_B", "CUSTOM_NEW"].map((secretKey) => ({ code, secretKey })),
    },
  });
  const { id } = await secrets.companies.get(operator, subdomain);
  const told = await superuser`select secret_key as key, version from audit_events
    where company_id = ${id} and action = 'company.drift' order by secret_key`;
  expect([...told]).toEqual([
    { key: "CUSTOM_A", version: 2 },
    { key: "CUSTOM_B", version: null },
    { key: "CUSTOM_NEW", version: 1 },
  ]);
  const acme = secrets.company(subdomain, product);
  expect(await acme.getMany(["CUSTOM_A", "CUSTOM_B"])).toEqual({
    CUSTOM_A: "fake-0001",
    CUSTOM_B: "fake-0001",
  });
});

test("a hybrid company's copy follows the folder, and what was written here does not", async () => {
  const company = await mirrored(["CUSTOM_COPY", "CUSTOM_OURS"], "hybrid");
  await company.handle.set("CUSTOM_OURS", "fake-ours");
  await company.mirror();
  await infisical.putSecret(company.path, "CUSTOM_COPY", "fake-by-others");
  await infisical.putSecret(company.path, "CUSTOM_OURS", "fake-by-others");
  await company.mirror();
  expect(await inFolder(company)).toEqual({ CUSTOM_COPY: "fake-by-others", CUSTOM_OURS: "fake-ours" });
  expect(await company.handle.get("CUSTOM_COPY")).toBe("fake-by-others");
  await company.mirror();
  expect(await inFolder(company)).toEqual({ CUSTOM_COPY: "fake-by-others", CUSTOM_OURS: "fake-ours" });
  expect(await eventsOf(company, "company.drift")).toMatchObject([{ key: "CUSTOM_OURS" }]);
});
