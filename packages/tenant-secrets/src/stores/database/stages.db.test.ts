import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { Company } from "../../companies/companies.ts";
import { codeOf, createFixture, operator, type Fixture } from "../../testing/fixture.ts";
import {
  companyWith,
  createStores,
  activeOf,
  valueOf,
  write,
  type Stores,
  inScope,
} from "../../testing/store-fixture.ts";

const key = "CUSTOM_KEY";
let fixture: Fixture;
let stores: Stores;
let store: Stores["database"];
let acme: Company;

beforeAll(async () => {
  fixture = await createFixture();
  stores = createStores(fixture);
  store = stores.database;
});

afterEach(() => void vi.useRealTimers());

/** A new company whose secret has these values, one version after another. */
async function withVersions(...values: readonly string[]): Promise<void> {
  acme = await companyWith(fixture, store, { secretKey: key, values });
}

const stage = (value: string, options = {}) =>
  store.versions.stage(inScope(acme), write(key, value, options));
const set = (value: string, options = {}) => store.write(inScope(acme), write(key, value, options));
const active = () => activeOf(store, acme, key);
/** As if a version's grace window had ended. */
const windowsEnd = async ({ id }: Company, version: number): Promise<void> => {
  await fixture.superuser`update company_secrets set grace_windows = (
    select jsonb_agg(case w->'version' when to_jsonb(${version}::int) then w || jsonb_build_object('until', '2020-01-01T00:00:00.000Z') else w end order by place)
    from jsonb_array_elements(grace_windows) with ordinality as e(w, place)) where company_id = ${id}`;
  await fixture.remacHeads();
};
const history = async () => (await store.versions.history(acme, { secretKey: key })).versions;
const actions = async () => {
  const rows = await fixture.superuser`
    select action, version from audit_events where company_id = ${acme.id} and outcome = 'success' and secret_key = ${key} order by position`;
  return rows.map((row) => `${row["action"]} ${row["version"]}`);
};

describe("a staged value", () => {
  test("a staged version is active beside the current one, keeps its number when promoted, and leaves the old version its grace window", async () => {
    await withVersions("one");
    expect(await stage("two", { note: "from the provider" })).toEqual({ version: 2 });
    expect(await valueOf(store.find(acme, key))).toBe("one");
    expect(await active()).toEqual(["current 1 one", "pending 2 two"]);
    expect((await store.list(acme)).secrets).toMatchObject([{ version: 1, pendingVersion: 2 }]);
    expect(
      await store.versions.promote(inScope(acme), { secretKey: key, graceSeconds: 60, expectedVersion: 1 }),
    ).toEqual({
      version: 2,
    });
    expect(await active()).toEqual(["current 2 two", "previous 1 one"]);
    expect((await history()).map(({ version, stage: each, note }) => [version, each, note])).toEqual([
      [2, "current", "from the provider"],
      [1, "previous", undefined],
    ]);
    await windowsEnd(acme, 1);
    expect(await active()).toEqual(["current 2 two"]);
    expect(await actions()).toEqual(["secret.write 1", "secret.stage 2", "secret.promote 2"]);
  });

  test("a staged version stays pending during other writes, and can be promoted over them", async () => {
    await withVersions("one");
    await stage("two");
    expect(await set("three", { graceSeconds: 60 })).toEqual({ version: 3 });
    expect(await active()).toEqual(["current 3 three", "pending 2 two", "previous 1 one"]);
    await store.versions.promote(inScope(acme), { secretKey: key });
    expect(await active()).toEqual(["current 2 two", "previous 1 one"]);
    expect(await set("four", { expectedVersion: 2 })).toEqual({ version: 4 });
  });

  test("a stage is refused beside a pending version, without a current one, and after a change that the caller has not seen", async () => {
    await withVersions("one");
    await stage("two");
    await expect(stage("three")).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("Version 2 is pending already"),
    });
    expect(await codeOf(stage("three", { replace: true, expectedVersion: 7 }))).toBe("CONFLICT");
    expect(await stage("three", { replace: true, expectedVersion: 1 })).toEqual({ version: 3 });
    expect(await active()).toEqual(["current 1 one", "pending 3 three"]);
    expect((await history())[1]).toMatchObject({
      version: 2,
      destroyedAt: expect.any(Date),
      fingerprint: undefined,
    });
    expect(await codeOf(store.versions.stage(inScope(acme), write("CUSTOM_NONE", "x", {})))).toBe(
      "NOT_FOUND",
    );
    expect(await codeOf(store.versions.history(acme, { secretKey: "CUSTOM_NONE" }))).toBe("NOT_FOUND");
    await store.remove(inScope(acme), { secretKey: key });
    expect(await codeOf(stage("four"))).toBe("NOT_FOUND");
    expect(await active()).toEqual([]);
  });

  test("a retried stage applies once, and its request id is refused for a write", async () => {
    await withVersions("one");
    const retry = () => stage("two", { requestId: "r-1" });
    expect([await retry(), await retry()]).toEqual([{ version: 2 }, { version: 2 }]);
    expect(await codeOf(set("two", { requestId: "r-1" }))).toBe("CONFLICT");
  });

  test("a discard destroys the pending version once, and without a pending version promote and discard are a CONFLICT", async () => {
    await withVersions("one");
    const promote = (name = key) => store.versions.promote(inScope(acme), { secretKey: name });
    await expect(promote()).rejects.toMatchObject({
      code: "CONFLICT",
      currentVersion: 1,
      message: "No version of this secret is pending: stage one first.",
    });
    await stage("two");
    expect(await store.versions.discard(inScope(acme), { secretKey: key })).toEqual({ version: 2 });
    expect(await codeOf(store.versions.discard(inScope(acme), { secretKey: key }))).toBe("CONFLICT");
    expect(await active()).toEqual(["current 1 one"]);
    expect(await codeOf(promote("CUSTOM_NONE"))).toBe("NOT_FOUND");
    const [row] = await fixture.superuser`
      select value_encrypted, company_key_version, last_four, fingerprint from company_secret_versions where company_id = ${acme.id} and version = 2`;
    expect(Object.values(row ?? {})).toEqual([null, null, null, null]);
    expect(await set("three")).toEqual({ version: 3 });
  });

  test("promote and discard with `pendingVersion` refuse another pending version, and name it", async () => {
    await withVersions("one");
    const { version: pendingVersion } = await stage("tested");
    await stage("untested", { replace: true });
    const refusal = {
      code: "CONFLICT",
      currentVersion: 1,
      message: expect.stringContaining("Version 3 is pending, not 2"),
    };
    const meant = { pendingVersion, expectedVersion: 1 };
    await expect(store.versions.promote(inScope(acme), { secretKey: key, ...meant })).rejects.toMatchObject(
      refusal,
    );
    await expect(store.versions.discard(inScope(acme), { secretKey: key, ...meant })).rejects.toMatchObject(
      refusal,
    );
    expect(await active()).toEqual(["current 1 one", "pending 3 untested"]);
    expect(await codeOf(store.versions.discard(inScope(acme), { secretKey: key, expectedVersion: 2 }))).toBe(
      "CONFLICT",
    );
    expect(
      await store.versions.discard(inScope(acme), { secretKey: key, pendingVersion: 3, expectedVersion: 1 }),
    ).toEqual({
      version: 3,
    });
    await expect(
      store.versions.promote(inScope(acme), { secretKey: key, pendingVersion: 3 }),
    ).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringMatching(/^No version of this secret is pending, and so version 3 is not/),
    });
    await stage("four");
    expect(await store.versions.promote(inScope(acme), { secretKey: key, pendingVersion: 4 })).toEqual({
      version: 4,
    });
  });

  test("a rotation of the company key includes a staged version, before and after its promotion", async () => {
    await withVersions("one");
    await stage("two");
    const rotate = () => fixture.secrets.companyKeyRotation.rotateCompanyKey(operator, acme.subdomain);
    expect((await rotate()).destroyed).toEqual([1]);
    expect(await activeOf(createStores(fixture).database, acme, key)).toEqual([
      "current 1 one",
      "pending 2 two",
    ]);
    await store.versions.promote(inScope(acme), { secretKey: key, graceSeconds: 60 });
    expect((await rotate()).destroyed).toEqual([2]);
    expect(await activeOf(createStores(fixture).database, acme, key)).toEqual([
      "current 2 two",
      "previous 1 one",
    ]);
  });
});

describe("a grace window", () => {
  test("a grace window lasts as long as was promised, through writes, promotions and rollbacks", async () => {
    await withVersions("one");
    await set("two", { graceSeconds: 3600 });
    await set("three");
    await stage("four");
    await store.versions.promote(inScope(acme), { secretKey: key, graceSeconds: 60 });
    await store.versions.rollback(inScope(acme), { secretKey: key, toVersion: 3 });
    await store.remove(inScope(acme), { secretKey: key });
    await store.versions.restore(inScope(acme), { secretKey: key });
    expect(await active()).toEqual(["current 5 three", "previous 3 three", "previous 1 one"]);
    const until = (await history()).map(({ version, stage: each, activeUntil }) => [
      version,
      each,
      activeUntil && Math.ceil((activeUntil.getTime() - Date.now()) / 60_000),
    ]);
    expect(until).toEqual([
      [5, "current", undefined],
      [4, undefined, undefined],
      [3, "previous", 1],
      [2, undefined, undefined],
      [1, "previous", 60],
    ]);
    await windowsEnd(acme, 1);
    await set("six", { graceSeconds: 60 });
    expect(await active()).toEqual(["current 6 six", "previous 5 three", "previous 3 three"]);
    const [{ windows } = {}] = await fixture.superuser`
      select jsonb_array_length(grace_windows) as windows from company_secrets where company_id = ${acme.id}`;
    expect(windows).toBe(2);
  });

  test("`endGrace` ends all grace windows, and can open a new one", async () => {
    await withVersions("one");
    await set("two", { graceSeconds: 3600 });
    await set("three", { graceSeconds: 3600, endGrace: true });
    expect(await active()).toEqual(["current 3 three", "previous 2 two"]);
    await stage("four");
    await store.versions.promote(inScope(acme), { secretKey: key, endGrace: true });
    expect(await active()).toEqual(["current 4 four"]);
  });

  test("a sixth grace window is refused, also in a batch and a promotion, until one of the five has ended", async () => {
    await withVersions("1");
    const graceSeconds = 3600;
    for (const value of ["2", "3", "4", "5", "6"]) await set(value, { graceSeconds });
    await stage("7");
    const five = ["5", "4", "3", "2", "1"].map((value) => `previous ${value} ${value}`);
    expect(await active()).toEqual(["current 6 6", "pending 7 7", ...five]);
    const refusal = {
      code: "CONFLICT",
      currentVersion: 6,
      message: expect.stringMatching(
        /^Versions 5, 4, 3, 2, 1 still count in their grace windows, .* first window ends at 20\d\d-/,
      ),
    };
    await expect(set("8", { graceSeconds })).rejects.toMatchObject(refusal);
    await expect(
      store.versions.promote(inScope(acme), { secretKey: key, graceSeconds }),
    ).rejects.toMatchObject(refusal);
    const batch = [write(key, "8", { graceSeconds }), write("CUSTOM_OTHER", "fake", {})];
    await expect(store.batches.writeMany(inScope(acme), { writes: batch })).rejects.toMatchObject({
      failures: [{ secretKey: key, code: "CONFLICT", currentVersion: 6 }],
    });
    expect(await active()).toEqual(["current 6 6", "pending 7 7", ...five]);
    await windowsEnd(acme, 1);
    await store.versions.promote(inScope(acme), { secretKey: key, graceSeconds });
    expect(await active()).toEqual(["current 7 7", "previous 6 6", ...five.slice(0, 4)]);
    expect(await set("8")).toEqual({ version: 8 });
    expect(await active()).toEqual(["current 8 8", "previous 6 6", ...five.slice(0, 4)]);
  });

  test("concurrent writes never open more than five grace windows", async () => {
    await withVersions("start");
    const writes = Array.from({ length: 50 }, (_, i) => codeOf(set(`value ${i}`, { graceSeconds: 3600 })));
    const codes = await Promise.all(writes);
    expect(codes.filter((code) => code === "no error")).toHaveLength(5);
    expect(codes.filter((code) => code === "CONFLICT")).toHaveLength(45);
    expect((await active()).map((each) => each.split(" ").slice(0, 2).join(" "))).toEqual([
      "current 6",
      ...[5, 4, 3, 2, 1].map((version) => `previous ${version}`),
    ]);
  });

  test("a malformed grace window is an INTEGRITY_FAILURE", async () => {
    await withVersions("one", "two");
    await fixture.superuser`update company_secrets set grace_windows = '[{"version": 1}]' where company_id = ${acme.id}`;
    expect(await codeOf(set("three", { graceSeconds: 60 }))).toBe("INTEGRITY_FAILURE");
    expect(await codeOf(active())).toBe("INTEGRITY_FAILURE");
  });
});

describe("a rollback", () => {
  const rollback = (toVersion: number, options = {}) =>
    store.versions.rollback(inScope(acme), { secretKey: key, toVersion, ...options });

  test("a rollback writes an earlier value as a new version, whose note names the earlier one", async () => {
    await withVersions("one", "two", "three");
    expect(await rollback(1, { expectedVersion: 3 })).toEqual({ version: 4 });
    expect(await active()).toEqual(["current 4 one"]);
    const [newest, third] = await history();
    expect(newest).toMatchObject({ note: "As version 1.", previousVersionId: third?.id });
    expect(newest?.fingerprint).toBe((await history()).at(-1)?.fingerprint);
    expect((await actions()).at(-1)).toBe("secret.rollback 4");
    expect(await rollback(2, { note: "why not" })).toEqual({ version: 5 });
    expect((await history())[0]).toMatchObject({ note: "why not" });
  });

  test("a rollback refuses unknown, current, pending and destroyed versions, and removed secrets", async () => {
    await withVersions("one", "two");
    await stage("three");
    await expect(rollback(9)).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: "This secret has no version 9: look at its history.",
    });
    expect(await codeOf(rollback(1, { expectedVersion: 1 }))).toBe("CONFLICT");
    await expect(rollback(2)).rejects.toThrow("Version 2 is the current one already.");
    await expect(rollback(3)).rejects.toThrow("Version 3 is pending: promote it, or discard it.");
    await store.versions.discard(inScope(acme), { secretKey: key });
    await expect(rollback(3)).rejects.toThrow(
      "The value of version 3 was destroyed: nothing brings it back.",
    );
    await store.remove(inScope(acme), { secretKey: key });
    expect(await codeOf(rollback(1))).toBe("NOT_FOUND");
    await store.versions.purge(inScope(acme), { secretKey: key });
    await set("four");
    expect(await codeOf(rollback(1))).toBe("CONFLICT");
    expect(await active()).toEqual(["current 4 four"]);
  });

  test("a rollback reaches no version of another company", async () => {
    await withVersions("theirs", "theirs too", "theirs as well");
    await withVersions("ours", "ours too");
    expect(await codeOf(rollback(3))).toBe("NOT_FOUND");
    await fixture.superuser`update company_secret_versions v set value_encrypted = o.value_encrypted from company_secret_versions o
      where v.company_id = ${acme.id} and v.version = 1 and o.company_id <> ${acme.id} and o.version = 1 and o.value_encrypted is not null and o.secret_key = ${key}`;
    expect(await codeOf(rollback(1))).toBe("INTEGRITY_FAILURE");
    expect(await active()).toEqual(["current 2 ours too"]);
  });
});

test("of 50 concurrent writes under one expected version one succeeds per round, and the others learn the new version", async () => {
  await withVersions("start");
  for (const current of [1, 2]) {
    const round = await Promise.allSettled(
      Array.from({ length: 50 }, (_, i) => set(`round ${current} writer ${i}`, { expectedVersion: current })),
    );
    const lost = round.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
    expect(lost).toHaveLength(49);
    expect(lost.every((error) => error.code === "CONFLICT" && error.currentVersion === current + 1)).toBe(
      true,
    );
  }
  expect((await history()).map(({ version }) => version)).toEqual([3, 2, 1]);
});

test("a history has pages, the newest version first, and names the actor of each version", async () => {
  await withVersions("1", "2", "3", "4", "5");
  const page = (before?: number) => store.versions.history(acme, { secretKey: key, before, limit: 2 });
  const first = await page();
  const second = await page(first.next);
  const third = await page(second.next);
  expect([first, second, third].map(({ versions }) => versions.map(({ version }) => version))).toEqual([
    [5, 4],
    [3, 2],
    [1],
  ]);
  expect(third.next).toBeUndefined();
  expect((await page(1)).versions).toEqual([]);
  expect(first.versions[0]).toMatchObject({ actor: { kind: "job", id: "test" }, stage: "current" });
  expect(JSON.stringify(first)).not.toContain("ts1.");
  await store.remove(inScope(acme), { secretKey: key });
  const removed = await page();
  expect(removed.versions[0]).toMatchObject({ version: 5, stage: undefined });
  expect(removed.recoverUntil?.getTime()).toBeGreaterThan(removed.removedAt?.getTime() ?? Infinity);
});

test("grace windows and restores follow the clock of the database, whatever the clock of the process says", async () => {
  await withVersions("one");
  // Past the grace window, and no further: the schedule of a job runner that shares this process would go through each minute
  // that the clock leaves out.
  for (const hours of [-2, 2]) {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + hours * 3_600_000 });
    await stage(`${hours} hours`, { replace: true });
    await store.versions.promote(inScope(acme), { secretKey: key, graceSeconds: 60 });
    expect((await active()).map((each) => each.split(" ")[0])).toEqual(["current", "previous"]);
    await set(`after ${hours} hours`, { endGrace: true });
    await store.remove(inScope(acme), { secretKey: key });
    await store.versions.restore(inScope(acme), { secretKey: key });
    expect(await stores.maintenance.purgeRemovedSecrets(new AbortController().signal)).toBe(0);
    vi.useRealTimers();
  }
  const age = (await history()).map(({ createdAt }) => Math.abs(Date.now() - createdAt.getTime()));
  expect(Math.max(...age)).toBeLessThan(3_600_000);
});
