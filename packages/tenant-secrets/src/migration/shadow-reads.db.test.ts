import { hash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { createFixture, operator, product } from "../testing/fixture.ts";
import { createMigrator, toDatabase } from "../testing/migrating.ts";
import { createStores } from "../testing/store-fixture.ts";
import { createShadowReads } from "./shadow-reads.ts";

const fixture = await createFixture();
const migrator = createMigrator(fixture);
const { superuser, infisical, emulator } = fixture;

const names = ["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"] as const;
const readsOfAll = hash("sha256", "shadow reads");
const none = { equal: 0, differs: 0, missing: 0, failed: 0 };

async function companyOnDatabase() {
  const subdomain = await fixture.company("infisical");
  for (const name of names) await infisical.putSecret(`/tenants/${subdomain}`, name, `fake-${name}`);
  await migrator.migrate([subdomain], toDatabase);
  const { company } = await fixture.scope(subdomain);
  return { subdomain, company, path: `/tenants/${subdomain}` };
}

/** Of a process that just started; the minute's comparisons are not used up. */
async function startShadowReads(sample = 1) {
  await superuser`delete from rate_limits`;
  const databaseStore = createStores(fixture).database;
  const shadow = createShadowReads({ ...fixture, databaseStore, sample, againMs: 200 });
  shadow.start();
  onTestFinished(() => shadow.stop());
  return shadow;
}

const statusOf = async (subdomain: string) =>
  (await fixture.secrets.migrations.status(operator, { company: subdomain, limit: 1 }))[0]?.shadowReads;

test("a difference counts when it is still there, by its kind, and its value is in no table", async () => {
  const { subdomain, company, path } = await companyOnDatabase();
  await infisical.putSecret(path, "CUSTOM_B", "fake-CANARY-of-a-difference");
  await infisical.deleteSecret(path, "CUSTOM_C");
  const shadow = await startShadowReads();
  for (const name of names) shadow.served(company, name);
  await vi.waitFor(
    () => expect(shadow.measure()).toEqual({ ...none, equal: 1, differs: 1, missing: 1 }),
    60_000,
  );
  await shadow.stop();
  expect(await statusOf(subdomain)).toEqual({ ...none, equal: 1, differs: 1, missing: 1 });
  const rows = await superuser`
    select r::text as row from shadow_reads r union all select r::text from rate_limits r union all select r::text from audit_events r`;
  expect(JSON.stringify(rows)).not.toContain("CANARY");
});

test("a difference that passes while a write is under way does not count", async () => {
  const { company, path } = await companyOnDatabase();
  await infisical.putSecret(path, "CUSTOM_A", "fake-for-a-moment");
  const shadow = await startShadowReads();
  const isRead = () =>
    emulator
      .requests()
      .some(
        ({ method, path: at, query }) =>
          method === "GET" &&
          `${at} ${query}`.includes("CUSTOM_A") &&
          decodeURIComponent(query).includes(path),
      );
  expect(isRead()).toBe(false);
  shadow.served(company, "CUSTOM_A");
  await vi.waitFor(() => expect(isRead()).toBe(true), 60_000);
  await infisical.putSecret(path, "CUSTOM_A", "fake-CUSTOM_A");
  await vi.waitFor(() => expect(shadow.measure()).toEqual({ ...none, equal: 1 }), 60_000);
});

test("a secret is compared once an hour and ten of all a minute, whichever process serves it", async () => {
  const { company } = await companyOnDatabase();
  const shadows = [await startShadowReads(), await startShadowReads()];
  const bulkReads = () =>
    emulator.requests().filter(({ method, path }) => method === "GET" && path.endsWith("/CUSTOM_A")).length;
  const before = bulkReads();
  for (const shadow of shadows) for (let i = 0; i < 20; i += 1) shadow.served(company, "CUSTOM_A");
  const sum = () => shadows.reduce((total, shadow) => total + shadow.measure().equal, 0);
  await vi.waitFor(() => expect(sum()).toBe(1), 60_000);
  const [points] = await superuser<
    { points: number }[]
  >`select points from rate_limits where key = ${readsOfAll}`;
  expect(points?.points).toBe(2);
  await superuser`update rate_limits set points = 10 where key = ${readsOfAll}`;
  shadows[0]?.served(company, "CUSTOM_B");
  await vi.waitFor(async () => {
    const [now] = await superuser`select points from rate_limits where key = ${readsOfAll}`;
    expect(now?.["points"]).toBe(11);
  }, 60_000);
  // Not even asked for, until the minute is over.
  shadows[0]?.served(company, "CUSTOM_C");
  await sleep(100);
  const [after] = await superuser`select points from rate_limits where key = ${readsOfAll}`;
  expect(after?.["points"]).toBe(11);
  expect([sum(), bulkReads() - before]).toEqual([1, 1]);
});

test("what need not be equal is not compared, and a failure is counted as one", async () => {
  const { subdomain, company } = await companyOnDatabase();
  await fixture.secrets.company(subdomain, product).set("CUSTOM_A", "fake-written-here");
  const shadow = await startShadowReads();
  const folderless = await fixture.scope(await fixture.company("database"));
  const inFolder = await fixture.scope(await fixture.company("infisical"));
  const before = emulator.requests().length;
  shadow.served(company, "CUSTOM_A");
  shadow.served(folderless.company, "CUSTOM_A");
  shadow.served(inFolder.company, "CUSTOM_A");
  await vi.waitFor(async () => {
    const [now] = await superuser`select points from rate_limits where key = ${readsOfAll}`;
    expect(now?.["points"]).toBe(2);
  }, 60_000);
  await sleep(50);
  expect(emulator.requests()).toHaveLength(before);
  emulator.faults.add({ kind: "answer", status: 500 }, { times: 10, path: /secrets/ });
  onTestFinished(() => emulator.faults.clear());
  shadow.served(company, "CUSTOM_B");
  await vi.waitFor(() => expect(shadow.measure()).toEqual({ ...none, failed: 1 }), 60_000);
});

test("a read is answered before its comparison begins, the same when it fails, and counts in a serving process alone", async () => {
  const { subdomain } = await companyOnDatabase();
  await superuser`delete from rate_limits`;
  let asked = 0;
  const secrets = fixture.another({
    shadowSample: 1,
    infisical: {
      ...infisical,
      bulk: () => ({
        ...infisical.bulk(),
        findSecret: () => {
          asked += 1;
          return new Promise(() => {});
        },
      }),
    },
  });
  const acme = secrets.company(subdomain, product);
  expect(await acme.get("CUSTOM_B")).toBe("fake-CUSTOM_B");
  const member = await secrets.serve(fixture.urls.listener, () => {});
  onTestFinished(() => member.stop());
  expect(await acme.get("CUSTOM_A")).toBe("fake-CUSTOM_A");
  expect(asked).toBe(0);
  await vi.waitFor(() => expect(asked).toBe(1), 60_000);
  // From the cache, while the comparison hangs.
  expect(await acme.get("CUSTOM_A")).toBe("fake-CUSTOM_A");
  await sleep(50);
  expect([asked, secrets.measurements().shadowReads]).toEqual([1, none]);
});
