import { beforeAll, expect, test } from "vitest";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { Plaintext } from "@repo/envelope";
import type { SecretStoreName } from "@repo/catalog";
import type { Company } from "../companies/companies.ts";
import { createFixture, operator } from "../testing/fixture.ts";
import { createCompany, createStores, inScope, valueOf, write } from "../testing/store-fixture.ts";
import { findDueChecks } from "../vault/due-checks.ts";

const fixture = await createFixture();
const { database, maintenance } = createStores(fixture);
const { signal } = new AbortController();
const checked = "STRIPE_SECRET_KEY";
const found = "fake_found_value_0001";

let acme: Company;

const moveTo = (store: SecretStoreName) =>
  fixture.superuser.begin((sql) => fixture.setStore(sql, acme.subdomain, store));
const dueChecks = () =>
  fixture.database.acrossCompanies((statements) =>
    findDueChecks(statements, { ownRegion: "default", secretKeys: [checked], limit: 10 }),
  );
const valuesOf = async (secretKey: string) => {
  const rows = await fixture.superuser`
    select version from company_secret_versions
    where company_id = ${acme.id} and secret_key = ${secretKey} and destroyed_at is null order by version`;
  return rows.map(({ version }) => version as number);
};

// Rows that a company left in the database when it went back to Infisical, and copies that were made before it leaves that.
beforeAll(async () => {
  acme = await createCompany(fixture, "database");
  const scope = inScope(acme);
  const tomorrow = new Date(Date.now() + 86_400_000 / 2);
  await database.write(scope, write(checked, found, { expiresAt: tomorrow }));
  for (let i = 0; i < 22; i++) await database.write(scope, write("CUSTOM_OFTEN", `fake-${i}`, {}));
  for (const name of ["CUSTOM_PAST", "CUSTOM_RECENT"]) {
    await database.write(scope, write(name, "fake-removed", {}));
    await database.remove(scope, { secretKey: name });
  }
  await fixture.superuser`update company_secrets set recover_until = now() where secret_key = 'CUSTOM_PAST'`;
  await fixture.remacHeads();
  await fixture.superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`update company_secret_versions set replaced_at = replaced_at - interval '2 days' where secret_key = 'CUSTOM_OFTEN'`;
  });
  await moveTo("infisical");
});

test("what a company on Infisical has in the database is neither reminded of nor checked", async () => {
  expect(await maintenance.remindOfExpiry(signal)).toBe(0);
  expect(await dueChecks()).toEqual([]);
});

test("it is found by its value, and is not called current", async () => {
  const { matches, notSearched } = await fixture.secrets.searchValues(operator, found, undefined);
  expect(matches).toEqual([
    { company: acme.subdomain, secretKey: checked, version: 1, current: false, removed: false },
  ]);
  expect(notSearched.inInfisical).toBe(1);
});

test("its removed secrets are purged when their recovery time is over, and its old versions destroyed", async () => {
  expect(await maintenance.purgeRemovedSecrets(signal)).toBe(1);
  expect(await maintenance.destroyOldVersions(signal)).toBe(1);
  expect([await valuesOf("CUSTOM_PAST"), await valuesOf("CUSTOM_RECENT")]).toEqual([[], [1]]);
  expect((await valuesOf("CUSTOM_OFTEN"))[0]).toBe(3);
  expect(await valueOf(database.find(acme, "CUSTOM_OFTEN"))).toBe("fake-21");
});

test("its copies are encrypted again by a rotation of the company's key, and can be copied over by the next one", async () => {
  const copy = (value: string, over?: number) =>
    database.backfillMany(inScope(company), {
      origin: "infisical",
      secrets: [{ secretKey: checked, plaintext: Plaintext.fromText(value), lastFour: undefined, over }],
    });
  const company = await createCompany(fixture, "infisical");
  await copy("fake-one");
  await fixture.secrets.companyKeyRotation.rotateCompanyKey(operator, company.subdomain);
  const after = createStores(fixture, deliveryChatCatalog).database;
  expect(await valueOf(after.find(company, checked))).toBe("fake-one");
  expect(await copy("fake-two", 1)).toEqual([{ secretKey: checked, version: 2 }]);
});

test("it is reminded of and checked again once the company is back in the database", async () => {
  await moveTo("database");
  expect(await maintenance.remindOfExpiry(signal)).toBe(1);
  expect(await dueChecks()).toEqual([{ company: acme.subdomain, secretKey: checked }]);
});
