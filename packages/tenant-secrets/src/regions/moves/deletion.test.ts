import { randomUUID } from "node:crypto";
import { expect, onTestFinished, test, vi } from "vitest";
import { codeOf, operator, product } from "../../testing/fixture.ts";
import { introduce, type RegionWorld, startRegionWorld } from "../../testing/region-world.ts";

// Deletions of companies that another region has copies of, with real replication in both directions.

const minute = { timeout: 60_000, interval: 100 };
const { signal } = new AbortController();
const [eu, us] = await Promise.all([startRegionWorld("eu"), startRegionWorld("us")]);
await introduce(us, eu);
await introduce(eu, us);
const asked = { afterDays: 30, backupsKeptDays: 14 };

const valueIn = (world: RegionWorld, company: string) =>
  world.secrets.company(company, product).get("CUSTOM_A");
const codeIn = (world: RegionWorld, company: string) => codeOf(valueIn(world, company));

async function workIn(world: RegionWorld): Promise<void> {
  await world.secrets.adoption.sweep(signal);
  await world.secrets.moves.takeOverOffered(signal);
}

/** A company at home in eu that is copied to us. */
async function copied(): Promise<string> {
  const company = `c-${randomUUID().slice(0, 8)}`;
  await eu.secrets.companies.create(operator, { subdomain: company, secretStore: "database" });
  await eu.secrets.company(company, product).set("CUSTOM_A", "fake-first");
  await eu.secrets.companyRegions.add(operator, company, { region: "us" });
  await vi.waitFor(async () => {
    await workIn(us);
    expect(await valueIn(us, company)).toBe("fake-first");
  }, minute);
  return company;
}

/** The date comes, and a job with it. */
async function comeToDate({ sql, secrets }: RegionWorld, run: string): Promise<void> {
  await sql`update runs set not_before = null, input = jsonb_set(input, '{deleteAtMs}', to_jsonb(0)) where id = ${run}`;
  await secrets.runs.work["delete-company"]?.(run, signal);
}

async function rowsIn({ sql }: RegionWorld, id: string) {
  const [rows] = await sql`select
    (select count(*)::int from region_copies where company_id = ${id}) as copies,
    (select count(*)::int from company_key_wraps where company_id = ${id}) as wraps,
    (select count(*)::int from company_secrets where company_id = ${id} and secret_value_encrypted <> 'destroyed') as values`;
  return { ...rows };
}

test("a company that is deleted at home is gone from the region that has copies, and another company is not", async () => {
  const [company, other] = [await copied(), await copied()];
  const { id } = await eu.secrets.companies.get(operator, company);
  const { run } = await eu.secrets.deletions.schedule(operator, company, asked);
  expect(await codeOf(us.secrets.deletions.schedule(operator, company, asked))).toBe("WRONG_REGION");
  await vi.waitFor(async () => {
    await workIn(us);
    expect(await codeIn(us, company)).toBe("COMPANY_SUSPENDED");
  }, minute);
  await eu.secrets.deletions.keep(operator, company);
  await vi.waitFor(async () => {
    await workIn(us);
    expect(await codeIn(us, company)).toBe("no error");
  }, minute);
  const again = await eu.secrets.deletions.schedule(operator, company, asked);
  expect(again.run).not.toBe(run);
  await comeToDate(eu, again.run);
  expect(await eu.secrets.deletions.get(operator, company)).toMatchObject({ state: "deleted" });
  await vi.waitFor(async () => {
    await workIn(us);
    expect(await codeIn(us, company)).toBe("NOT_FOUND");
    expect(await us.sql`select from region_receipts where company_id = ${id}`).toHaveLength(1);
  }, minute);
  for (const world of [eu, us]) expect(await rowsIn(world, id)).toEqual({ copies: 0, wraps: 0, values: 0 });
  for (const world of [eu, us]) expect(await valueIn(world, other)).toBe("fake-first");
}, 120_000);

test("a company that is being moved is not deleted, and after the move it is deleted at its new home alone", async () => {
  const company = await copied();
  const { id } = await eu.secrets.companies.get(operator, company);
  const { run: move } = await eu.secrets.moves.move(operator, company, "us");
  expect(await codeOf(eu.secrets.deletions.schedule(operator, company, asked))).toBe("CONFLICT");
  const moving = eu.secrets.runs.work["move-company"]?.(move, signal);
  await vi.waitFor(async () => {
    await workIn(us);
    expect((await eu.secrets.runs.get(operator, move)).state).toBe("done");
  }, minute);
  await moving;
  expect(await codeOf(eu.secrets.deletions.schedule(operator, company, asked))).toBe("WRONG_REGION");
  const { run } = await us.secrets.deletions.schedule(operator, company, asked);
  expect(await codeOf(us.secrets.moves.move(operator, company, "eu"))).toBe("CONFLICT");
  await comeToDate(us, run);
  expect(await us.secrets.deletions.get(operator, company)).toMatchObject({ state: "deleted" });
  await vi.waitFor(async () => {
    await workIn(eu).catch(() => {});
    expect(await codeIn(eu, company)).not.toBe("no error");
    for (const world of [eu, us]) expect(await rowsIn(world, id)).toEqual({ copies: 0, wraps: 0, values: 0 });
  }, minute);
}, 120_000);

test("a deletion and a move that are asked for at once end with one of them, and the other is refused", async () => {
  for (let i = 0; i < 3; i++) {
    const company = await copied();
    const [moved, deleted] = await Promise.allSettled([
      eu.secrets.moves.move(operator, company, "us"),
      eu.secrets.deletions.schedule(operator, company, asked),
    ]);
    if (moved.status === "fulfilled")
      await Promise.all([
        eu.secrets.runs.work["move-company"]?.(moved.value.run, signal).catch(() => {}),
        vi.waitFor(async () => {
          await workIn(us);
          const { state } = await eu.secrets.runs.get(operator, moved.value.run);
          expect(["done", "cancelled"]).toContain(state);
        }, minute),
      ]);
    const home = (await us.sql`select home_region as home from companies where subdomain = ${company}`)[0];
    if (deleted.status === "fulfilled") {
      expect(home?.["home"]).toBe("eu");
      await comeToDate(eu, deleted.value.run);
      expect(await eu.secrets.deletions.get(operator, company)).toMatchObject({ state: "deleted" });
    } else {
      expect(home?.["home"]).toBe("us");
      expect(await valueIn(us, company)).toBe("fake-first");
    }
  }
}, 180_000);

test("a home that was lost deletes nothing of a company that another region has taken over meanwhile", async () => {
  const company = await copied();
  const subscription = us.sql("copies_from_eu_to_us");
  await us.sql`alter subscription ${subscription} disable`;
  onTestFinished(async () => {
    await us.sql`alter subscription ${subscription} enable`;
  });
  await eu.secrets.company(company, product).set("CUSTOM_B", "fake-not-arrived");
  const { run } = await eu.secrets.deletions.schedule(operator, company, asked);
  await us.secrets.moves.takeOver(operator, company, "eu");
  const { id } = await us.secrets.companies.get(operator, company);
  await vi.waitFor(async () => {
    const [home] = await eu.sql`select home_region as home from company_homes where company_id = ${id}`;
    expect(home?.["home"]).toBe("us");
  }, minute);
  expect(await codeOf(comeToDate(eu, run))).toBe("WRONG_REGION");
  expect(await eu.secrets.deletions.get(operator, company)).toMatchObject({ state: "ended" });
  expect(await eu.secrets.deletions.measure()).toEqual({ scheduled: 0, overdue: 0 });
  expect(await rowsIn(eu, id)).toMatchObject({ wraps: 1, values: 2 });
  // What the new home has not got is still listed.
  await vi.waitFor(async () => {
    const { lost } = await eu.secrets.moves.leave(operator, company, {});
    expect(lost.map(({ secretKey }) => secretKey)).toContain("CUSTOM_B");
  }, minute);
  expect(await valueIn(us, company)).toBe("fake-first");
}, 120_000);
