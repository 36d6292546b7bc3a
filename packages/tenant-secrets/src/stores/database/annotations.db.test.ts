import type { SecretStoreName } from "@repo/catalog";
import { beforeAll, describe, expect, test } from "vitest";
import { connectDatabase } from "@repo/db";
import type { Company } from "../../companies/companies.ts";
import { codeOf, createFixture, type Fixture } from "../../testing/fixture.ts";
import { companyWith, createStores, write, type Stores, inScope } from "../../testing/store-fixture.ts";
import { createLastUsed } from "./last-used.ts";

const key = "CUSTOM_KEY";
const signal = new AbortController().signal;
let fixture: Fixture;
let stores: Stores;
let store: Stores["database"];

beforeAll(async () => {
  fixture = await createFixture();
  stores = createStores(fixture);
  store = stores.database;
});

const companyOf = (...values: readonly string[]): Promise<Company> =>
  companyWith(fixture, store, { secretKey: key, values });

const describeKey = async (company: Company) => (await store.list(company)).secrets[0];

describe("expiry", () => {
  /** Moves the day of expiry to where it is in `days`, as if time had passed. */
  const comesTo = (company: Company, days: number) =>
    fixture.superuser`update company_secret_versions set expires_at = now() + make_interval(days => ${days})
      where company_id = ${company.id} and expires_at is not null`;
  const remind = async (company: Company): Promise<string[]> => {
    await Promise.all([1, 2].map(() => createStores(fixture).maintenance.remindOfExpiry(signal)));
    const rows = await fixture.superuser`
      select action, version from audit_events where company_id = ${company.id} and action like 'secret.expire%' order by position`;
    return rows.map((row) => `${row["action"]} ${row["version"]}`);
  };

  test("an expiry is listed and can be cleared, and an expired secret is still served", async () => {
    const acme = await companyOf("one");
    const expiresAt = new Date("2020-02-03T04:05:06.789Z");
    await store.versions.setExpiry(inScope(acme), { secretKey: key, expiresAt });
    expect((await describeKey(acme))?.expiresAt).toEqual(expiresAt);
    expect(await store.find(acme, key)).toMatchObject({ version: 1, expiresAtMs: expiresAt.getTime() });
    await store.versions.setExpiry(inScope(acme), { secretKey: key, expiresAt: null });
    expect((await describeKey(acme))?.expiresAt).toBeUndefined();
    expect(
      await codeOf(store.versions.setExpiry(inScope(acme), { secretKey: "CUSTOM_NONE", expiresAt })),
    ).toBe("NOT_FOUND");
  });

  test("an expiry belongs to a version: a new version has none or its own, and promotion and rollback carry it along", async () => {
    const acme = await companyOf("one");
    const [first, second] = [new Date("2090-01-01"), new Date("2091-01-01")];
    const shown = async () => {
      const active = await store.versions.findActive(acme, { secretKey: key });
      const { versions } = await store.versions.history(acme, { secretKey: key });
      return {
        listed: (await describeKey(acme))?.expiresAt,
        read: (await store.find(acme, key))?.expiresAtMs,
        active: active?.map(({ encrypted }) => encrypted.expiresAtMs),
        history: versions.map(({ expiresAt }) => expiresAt),
      };
    };
    await store.versions.setExpiry(inScope(acme), { secretKey: key, expiresAt: first });
    await store.write(inScope(acme), write(key, "two", { graceSeconds: 60 }));
    expect(await shown()).toEqual({
      listed: undefined,
      read: undefined,
      active: [undefined, first.getTime()],
      history: [undefined, first],
    });
    await store.versions.stage(inScope(acme), write(key, "three", { expiresAt: second, reminderDays: [5] }));
    expect((await describeKey(acme))?.expiresAt).toBeUndefined();
    await store.versions.promote(inScope(acme), { secretKey: key });
    expect(await shown()).toMatchObject({ listed: second, read: second.getTime() });
    await store.write(inScope(acme), write(key, "four", { expiresAt: first }));
    expect((await describeKey(acme))?.expiresAt).toEqual(first);
    await store.versions.rollback(inScope(acme), { secretKey: key, toVersion: 3 });
    expect(await shown()).toMatchObject({
      listed: second,
      read: second.getTime(),
      history: [second, first, second, undefined, first],
    });
    const days = await fixture.superuser`
      select reminder_days as days from company_secret_versions where company_id = ${acme.id} order by version`;
    expect(days.map((row) => row["days"])).toEqual([[30, 7, 1], [30, 7, 1], [5], [30, 7, 1], [5]]);
    const [batched] = [write(key, "six", { expiresAt: first, reminderDays: [1] })];
    await store.batches.writeMany(inScope(acme), { writes: [batched] });
    await store.remove(inScope(acme), { secretKey: key });
    await store.write(inScope(acme), write(key, "seven", {}));
    expect(await shown()).toMatchObject({ listed: undefined, read: undefined });
    expect((await store.versions.history(acme, { secretKey: key })).versions[1]?.expiresAt).toEqual(first);
  });

  test("each version has its own reminders, whatever reminders the version before had", async () => {
    const acme = await companyOf("one");
    await store.versions.setExpiry(inScope(acme), { secretKey: key, expiresAt: new Date("2090-01-01") });
    await comesTo(acme, -1);
    expect(await remind(acme)).toEqual(["secret.expired 1"]);
    await store.versions.stage(inScope(acme), write(key, "two", { expiresAt: new Date("2090-01-01") }));
    await comesTo(acme, 5);
    expect(await remind(acme)).toEqual(["secret.expired 1"]);
    await store.versions.promote(inScope(acme), { secretKey: key });
    expect(await remind(acme)).toEqual(["secret.expired 1", "secret.expires-soon 2"]);
    await store.write(inScope(acme), write(key, "three", {}));
    await comesTo(acme, -1);
    expect(await remind(acme)).toHaveLength(2);
  });

  test("each reminder day causes one event, and the expiry another, also with two workers", async () => {
    const acme = await companyOf("one");
    await store.versions.setExpiry(inScope(acme), {
      secretKey: key,
      expiresAt: new Date("2090-01-01"),
      reminderDays: [10, 3],
    });
    const withTimeout = "secret.expires-soon 1";
    const seen = [];
    for (const days of [11, 9, 8, 2, 1, 0, -5]) {
      await comesTo(acme, days);
      seen.push(await remind(acme));
    }
    expect(seen).toEqual([
      [],
      [withTimeout],
      [withTimeout],
      [withTimeout, withTimeout],
      [withTimeout, withTimeout],
      [withTimeout, withTimeout, "secret.expired 1"],
      [withTimeout, withTimeout, "secret.expired 1"],
    ]);
    await store.versions.setExpiry(inScope(acme), { secretKey: key, expiresAt: new Date("2090-01-01") });
    expect(await remind(acme)).toHaveLength(3);
    await comesTo(acme, 1);
    expect(await remind(acme)).toHaveLength(4);
  });

  test("no reminder is sent of a distant expiry or a removed secret, and only the last of several days that passed at once", async () => {
    const acme = await companyOf("one");
    await store.versions.setExpiry(inScope(acme), { secretKey: key, expiresAt: new Date("2090-01-01") });
    expect(await remind(acme)).toEqual([]);
    await comesTo(acme, 5);
    await store.remove(inScope(acme), { secretKey: key });
    expect(await remind(acme)).toEqual([]);
    await store.versions.restore(inScope(acme), { secretKey: key });
    expect(await remind(acme)).toEqual(["secret.expires-soon 1"]);
  });

  test("no reminder is sent of a company on Infisical, whatever rows the database still has", async () => {
    const acme = await companyOf("one");
    await store.versions.setExpiry(inScope(acme), { secretKey: key, expiresAt: new Date("2020-01-01") });
    const move = (to: SecretStoreName) =>
      fixture.superuser.begin((sql) => fixture.setStore(sql, acme.subdomain, to));
    await move("infisical");
    expect(await remind(acme)).toEqual([]);
    await move("database");
    expect(await remind(acme)).toEqual(["secret.expired 1"]);
  });
});

test("a check is stored with its version, and lists show the check of the current one", async () => {
  const acme = await companyOf("one", "two");
  await store.checks.recordCheck(inScope(acme), { secretKey: key, version: 1, result: "rejected" });
  expect((await describeKey(acme))?.check).toBeUndefined();
  await store.checks.recordCheck(inScope(acme), { secretKey: key, version: 2, result: "unknown" });
  await store.checks.recordCheck(inScope(acme), { secretKey: key, version: 2, result: "accepted" });
  expect((await describeKey(acme))?.check).toMatchObject({ result: "accepted", checkedAt: expect.any(Date) });
  const { versions } = await store.versions.history(acme, { secretKey: key });
  expect(versions.map(({ check }) => check?.result)).toEqual(["accepted", "rejected"]);
  const keep = (name: string, version: number) =>
    store.checks.recordCheck(inScope(acme), { secretKey: name, version, result: "accepted" });
  expect(await codeOf(keep(key, 3))).toBe("NOT_FOUND");
  expect(await codeOf(keep("CUSTOM_NONE", 1))).toBe("NOT_FOUND");
  await store.versions.stage(inScope(acme), write(key, "three", {}));
  await store.versions.discard(inScope(acme), { secretKey: key });
  expect(await codeOf(keep(key, 3))).toBe("NOT_FOUND");
  await store.remove(inScope(acme), { secretKey: key });
  expect(await codeOf(keep(key, 2))).toBe("NOT_FOUND");
});

describe("last use", () => {
  test("the last use is written later, at most once an hour, and leaves the head of the secret unchanged", async () => {
    const acme = await companyOf("one");
    const heads = () => fixture.superuser`select xmin, * from company_secrets where company_id = ${acme.id}`;
    const before = await heads();
    store.touchLastUsed(acme, key);
    store.touchLastUsed(acme, key);
    expect((await describeKey(acme))?.lastUsedAt).toBeUndefined();
    await store.lastUsed.flush();
    const first = (await describeKey(acme))?.lastUsedAt;
    expect(first).toBeInstanceOf(Date);
    store.touchLastUsed(acme, key);
    await store.lastUsed.flush();
    expect((await describeKey(acme))?.lastUsedAt).toEqual(first);
    await fixture.superuser`update secret_uses set last_used_at = now() - interval '1 day'`;
    const another = createStores(fixture).database;
    another.touchLastUsed(acme, key);
    await expect
      .poll(async () => (await describeKey(acme))?.lastUsedAt?.getTime(), { timeout: 60_000 })
      .toBeGreaterThanOrEqual(first?.getTime() ?? Infinity);
    expect(await heads()).toEqual(before);
    expect(another.lastUsed.failures()).toBe(0);
  });

  test("a last use that cannot be written is counted, fails no read, and is written at the next use", async () => {
    const acme = await companyOf("one");
    const { application, maintenance } = fixture.urls;
    const database = connectDatabase({ applicationUrl: application, maintenanceUrl: maintenance });
    const uses = createLastUsed({ ...database, acrossCompanies: () => Promise.reject(new Error("away")) });
    uses.touch(acme.id, key);
    await uses.flush();
    await uses.flush();
    expect(uses.failures()).toBe(1);
    uses.touch(acme.id, key);
    await uses.flush();
    expect(uses.failures()).toBe(2);
    await database.close();
  });
});
