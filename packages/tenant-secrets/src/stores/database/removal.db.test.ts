import { beforeAll, describe, expect, test } from "vitest";
import type { Company } from "../../companies/companies.ts";
import { codeOf, createFixture, operator, type Fixture } from "../../testing/fixture.ts";
import {
  companyWith,
  createStores,
  activeOf,
  write,
  type Stores,
  inScope,
} from "../../testing/store-fixture.ts";

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

const eventsOf = async (company: Company, action: string) =>
  (
    await fixture.superuser`select version, actor_kind || ' ' || actor_id as actor from audit_events
      where company_id = ${company.id} and action = ${action} order by position`
  ).map((row) => ({ ...row }));
const sealedOf = async (company: Company) =>
  (
    await fixture.superuser`select version from company_secret_versions where company_id = ${company.id} and value_encrypted is not null order by version`
  ).map((row) => Number(row["version"]));

describe("a removed secret", () => {
  test("a removed secret can be restored inside the recovery time of its company", async () => {
    const acme = await companyOf("one");
    await fixture.secrets.companies.setRecovery(operator, acme.subdomain, 7);
    await store.remove(inScope(acme), { secretKey: key });
    const [row] = await fixture.superuser`
      select extract(epoch from recover_until - deleted_at)::int as seconds from company_secrets where company_id = ${acme.id}`;
    expect(row).toEqual({ seconds: 7 * 86_400 });
  });

  test("a restored secret has its pending and previous versions again, and a secret that is written again has none", async () => {
    const acme = await companyOf("one");
    await store.write(inScope(acme), write(key, "two", { graceSeconds: 600 }));
    await store.versions.stage(inScope(acme), write(key, "three", {}));
    await store.versions.setExpiry(inScope(acme), { secretKey: key, expiresAt: new Date("2030-01-01") });
    await store.remove(inScope(acme), { secretKey: key });
    expect(await activeOf(store, acme, key)).toEqual([]);
    await store.versions.restore(inScope(acme), { secretKey: key });
    expect(await activeOf(store, acme, key)).toEqual(["current 2 two", "pending 3 three", "previous 1 one"]);
    await store.remove(inScope(acme), { secretKey: key });
    await store.write(inScope(acme), write(key, "four", { graceSeconds: 600 }));
    expect(await activeOf(store, acme, key)).toEqual(["current 4 four"]);
    expect((await store.list(acme)).secrets).toMatchObject([
      { expiresAt: undefined, pendingVersion: undefined },
    ]);
    expect(await codeOf(store.versions.promote(inScope(acme), { secretKey: key }))).toBe("CONFLICT");
  });

  test("a purge works once, needs a removal or `force`, and leaves the rows", async () => {
    const acme = await companyOf("one", "two");
    const purge = (force = false) => store.versions.purge(inScope(acme), { secretKey: key, force });
    expect(await codeOf(purge())).toBe("CONFLICT");
    await store.remove(inScope(acme), { secretKey: key });
    await purge();
    expect(await codeOf(purge())).toBe("NOT_FOUND");
    expect(await codeOf(purge(true))).toBe("NOT_FOUND");
    expect(await codeOf(store.versions.purge(inScope(acme), { secretKey: "CUSTOM_NONE", force: true }))).toBe(
      "NOT_FOUND",
    );
    expect(await codeOf(store.versions.restore(inScope(acme), { secretKey: key }))).toBe("NOT_FOUND");
    const { versions, recoverUntil } = await store.versions.history(acme, { secretKey: key });
    expect(recoverUntil).toBeUndefined();
    expect(
      versions.map(({ version, destroyedAt, fingerprint }) => [
        version,
        destroyedAt !== undefined,
        fingerprint,
      ]),
    ).toEqual([
      [2, true, undefined],
      [1, true, undefined],
    ]);
    expect(await store.write(inScope(acme), write(key, "three", { expectedVersion: 0 }))).toEqual({
      version: 3,
    });
    expect((await store.versions.history(acme, { secretKey: key })).versions[0]?.previousVersionId).toBe(
      versions[0]?.id,
    );
    await purge(true);
    expect(await store.find(acme, key)).toBeUndefined();
    expect(await eventsOf(acme, "secret.purge")).toMatchObject([{ version: 2 }, { version: 3 }]);
    const [left] = await fixture.superuser`
      select count(*)::int as count from (select secret_value_encrypted as value_encrypted from company_secrets where company_id = ${acme.id}
        union all select value_encrypted from company_secret_versions where company_id = ${acme.id}) s where value_encrypted is not null`;
    expect(left).toEqual({ count: 0 });
  });

  test("a purged secret does not prevent the destruction of an old company key", async () => {
    const acme = await companyOf("one", "two");
    await store.versions.stage(inScope(acme), write(key, "three", {}));
    await fixture.superuser`update company_secret_versions set value_encrypted = 'broken' where company_id = ${acme.id} and version = 1`;
    const rotate = () => fixture.secrets.companyKeyRotation.rotateCompanyKey(operator, acme.subdomain);
    expect(await codeOf(rotate())).toBe("INTEGRITY_FAILURE");
    await store.versions.purge(inScope(acme), { secretKey: key, force: true });
    expect((await rotate()).destroyed).toEqual([1]);
  });
});

describe("maintenance", () => {
  test("maintenance purges exactly the secrets whose recovery time is over, once with two workers, as a job", async () => {
    const due = await Promise.all(Array.from({ length: 3 }, () => companyOf("one", "two")));
    const [recent, active] = [await companyOf("one"), await companyOf("one")];
    for (const company of [...due, recent]) await store.remove(inScope(company), { secretKey: key });
    await fixture.superuser`update company_secrets set recover_until = now() where company_id in ${fixture.superuser(due.map(({ id }) => id))}`;
    await fixture.remacHeads();
    const both = await Promise.all(
      [1, 2].map(() => createStores(fixture).maintenance.purgeRemovedSecrets(signal)),
    );
    expect(both.reduce((sum, each) => sum + each)).toBe(3);
    for (const company of due) {
      expect(await eventsOf(company, "secret.purge")).toEqual([{ version: 2, actor: "job maintenance" }]);
      expect(await sealedOf(company)).toEqual([]);
    }
    await store.versions.restore(inScope(recent), { secretKey: key });
    expect(await activeOf(store, recent, key)).toEqual(["current 1 one"]);
    expect(await activeOf(store, active, key)).toEqual(["current 1 one"]);
  });

  test("maintenance purges the secrets of other companies where the key of one does not decrypt, and raises an alarm", async () => {
    const [broken, sound] = [await companyOf("one"), await companyOf("one")];
    for (const company of [broken, sound]) await store.remove(inScope(company), { secretKey: key });
    await fixture.superuser`update company_secrets set recover_until = now() where company_id in ${fixture.superuser([broken.id, sound.id])}`;
    await fixture.remacHeads();
    const [wrap] =
      await fixture.superuser`select wrapped from company_key_wraps where company_id = ${broken.id}`;
    await fixture.superuser`update company_key_wraps set wrapped = left(wrapped, -4) || 'AAAA' where company_id = ${broken.id}`;
    const alarms: string[] = [];
    const another = () => createStores(fixture, undefined, ({ message }) => alarms.push(message));
    expect(await another().maintenance.purgeRemovedSecrets(signal)).toBe(1);
    expect(await sealedOf(sound)).toEqual([]);
    expect(await eventsOf(sound, "secret.purge")).toHaveLength(1);
    expect(await eventsOf(broken, "secret.purge")).toEqual([]);
    expect(alarms).toEqual([expect.stringContaining(broken.id)]);
    // Nothing is lost by that: once its key opens, it is done.
    await fixture.superuser`update company_key_wraps set wrapped = ${String(wrap?.["wrapped"])} where company_id = ${broken.id}`;
    expect(await another().maintenance.purgeRemovedSecrets(signal)).toBe(1);
    expect(await eventsOf(broken, "secret.purge")).toHaveLength(1);
  });

  test("maintenance destroys the values of inactive versions that were replaced a day ago and are not among the last 20 current ones", async () => {
    const values = Array.from({ length: 24 }, (_, i) => `value ${i + 1}`);
    const acme = await companyOf(...values.slice(0, 2));
    await store.versions.stage(inScope(acme), write(key, "staged", {}));
    for (const value of values.slice(3)) await store.write(inScope(acme), write(key, value, {}));
    const young = await companyOf(...values);
    await windowOfTwoEnds(acme, "1 hour");
    await ageVersions(acme);
    expect(await stores.maintenance.destroyOldVersions(signal)).toBe(1);
    // 3 is pending, 2 still counts, 24 is in its head.
    expect(await sealedOf(acme)).toEqual([2, 3, ...Array.from({ length: 19 }, (_, i) => i + 5)]);
    expect(await eventsOf(acme, "secret.destroy-versions")).toEqual([
      { version: 4, actor: "job maintenance" },
    ]);
    expect((await store.versions.history(acme, { secretKey: key })).versions).toHaveLength(24);
    expect(await sealedOf(young)).toHaveLength(23);
    await windowOfTwoEnds(acme, "0 hours");
    const both = await Promise.all([1, 2].map(() => stores.maintenance.destroyOldVersions(signal)));
    expect(both.reduce((sum, each) => sum + each)).toBe(1);
    expect(await sealedOf(acme)).toEqual([3, ...Array.from({ length: 19 }, (_, i) => i + 5)]);
    expect(await eventsOf(acme, "secret.destroy-versions")).toHaveLength(2);
    await store.versions.promote(inScope(acme), { secretKey: key });
    expect(await activeOf(store, acme, key)).toEqual(["current 3 staged"]);
    // Now 24 is among the 19 that were replaced last, and 5 is not.
    expect(await stores.maintenance.destroyOldVersions(signal)).toBe(1);
    expect(await sealedOf(acme)).toEqual(Array.from({ length: 19 }, (_, i) => i + 6));
  });

  test("maintenance takes the age of a version from its replacement, and not from its creation", async () => {
    const acme = await companyOf("value 1");
    await store.versions.stage(inScope(acme), write(key, "staged", {}));
    for (let i = 3; i <= 30; i++) await store.write(inScope(acme), write(key, `value ${i}`, {}));
    await ageVersions(acme);
    await store.versions.promote(inScope(acme), { secretKey: key });
    await store.write(inScope(acme), write(key, "value 31", {}));
    await stores.maintenance.destroyOldVersions(signal);
    // 2 was current a moment ago, 31 is in its head, and 30 was made two days ago, and replaced a moment ago as well.
    const newest = Array.from({ length: 18 }, (_, i) => i + 13);
    expect(await sealedOf(acme)).toEqual([2, ...newest]);
    await store.versions.rollback(inScope(acme), { secretKey: key, toVersion: 2 });
    expect(await activeOf(store, acme, key)).toEqual(["current 32 staged"]);
    // A day later it is still among those that were current last.
    await ageVersions(acme);
    await stores.maintenance.destroyOldVersions(signal);
    expect(await sealedOf(acme)).toEqual([2, ...newest.slice(1), 31]);
  });

  test("maintenance destroys a version that was pending when its removed secret was written again", async () => {
    const acme = await companyOf("value 1");
    await store.versions.stage(inScope(acme), write(key, "staged", {}));
    await store.remove(inScope(acme), { secretKey: key });
    for (let i = 3; i <= 24; i++) await store.write(inScope(acme), write(key, `value ${i}`, {}));
    expect(await stores.maintenance.destroyOldVersions(signal)).toBe(0);
    await ageVersions(acme);
    expect(await stores.maintenance.destroyOldVersions(signal)).toBe(1);
    expect(await sealedOf(acme)).toEqual(Array.from({ length: 19 }, (_, i) => i + 5));
  });
});

/** As if two days had passed since its versions were made and replaced: their rows cannot be changed otherwise. */
async function ageVersions({ id }: Company): Promise<void> {
  await fixture.superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`update company_secret_versions set created_at = created_at - interval '2 days', replaced_at = replaced_at - interval '2 days'
      where company_id = ${id}`;
  });
}

async function windowOfTwoEnds({ id }: Company, later: string): Promise<void> {
  await fixture.superuser`
    update company_secrets set grace_windows = jsonb_build_array(jsonb_build_object('version', 2, 'until', to_char((now() + ${later}::interval) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))
    where company_id = ${id}`;
  await fixture.remacHeads();
}
