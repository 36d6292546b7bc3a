import { beforeAll, expect, test } from "vitest";
import { verifyMigrationReport } from "./report.ts";
import { createFixture, operator, product, type Fixture } from "../testing/fixture.ts";
import {
  backToHybrid,
  backToInfisical,
  copy,
  createMigrator,
  plan,
  toDatabase,
  toHybrid,
  verify,
} from "../testing/migrating.ts";

let fixture: Fixture;
let migrator: ReturnType<typeof createMigrator>;

beforeAll(async () => {
  fixture = await createFixture();
  migrator = createMigrator(fixture);
});

const stripe = (name: string) => `sk_test_fake_${name.replaceAll("-", "_")}_0001`;
const storeOf = async (subdomain: string) =>
  (await fixture.secrets.companies.get(operator, subdomain)).secretStore;
const handle = (subdomain: string) => fixture.secrets.company(subdomain, product);

async function companyInInfisical(count = 3): Promise<string> {
  const subdomain = await fixture.company("infisical");
  const acme = handle(subdomain);
  await acme.set("STRIPE_SECRET_KEY", stripe(subdomain));
  for (let i = 1; i < count; i += 1) await acme.set(`CUSTOM_KEY_${i}`, `fake-${subdomain}-${i}`);
  return subdomain;
}

test("a company moves from Infisical to hybrid and to the database, and every value is read the same", async () => {
  const company = await companyInInfisical();
  const planned = await migrator.migrate([company], plan);
  expect(planned.companies[0]).toMatchObject({
    state: "done",
    result: { counts: { inFolder: 3, onlyInFolder: 3, inDatabase: 0 }, from: "infisical" },
  });
  const copied = await migrator.migrate([company], copy);
  expect(copied.companies[0]).toMatchObject({ state: "done", result: { moved: 3, counts: { equal: 3 } } });
  expect(await storeOf(company)).toBe("infisical");
  const verified = await migrator.migrate([company], verify);
  expect(verified.companies[0]).toMatchObject({ state: "done", result: { counts: { equal: 3 } } });
  const hybrid = await migrator.migrate([company], toHybrid);
  expect(hybrid.companies[0]).toMatchObject({ state: "done", result: { to: "hybrid", epochAfter: 2 } });
  expect(await storeOf(company)).toBe("hybrid");
  const moved = await migrator.migrate([company], toDatabase);
  expect(moved.companies[0]).toMatchObject({ state: "done", result: { to: "database" } });
  expect(await storeOf(company)).toBe("database");
  expect(await handle(company).get("STRIPE_SECRET_KEY")).toBe(stripe(company));
  expect(await handle(company).get("CUSTOM_KEY_2")).toBe(`fake-${company}-2`);
  await fixture.infisical.deleteFolder(`/tenants/${company}`);
  expect(await fixture.another().company(company, product).get("CUSTOM_KEY_1")).toBe(`fake-${company}-1`);
});

test("and back: Infisical gets what was written and removed in the database since", async () => {
  const company = await companyInInfisical();
  await migrator.migrate([company], toDatabase);
  await handle(company).set("STRIPE_SECRET_KEY", "sk_test_fake_newer_0002");
  await handle(company).set("CUSTOM_NEW", "fake-new");
  await handle(company).remove("CUSTOM_KEY_1");
  const refused = await migrator.migrate([company], backToInfisical);
  expect(refused.companies[0]?.state).toBe("blocked");
  expect(refused.companies[0]?.result?.findings).toEqual([
    { code: "LOSES_HISTORY", secretKey: "STRIPE_SECRET_KEY" },
  ]);
  expect(await storeOf(company)).toBe("database");
  const back = await migrator.migrate([company], { ...backToInfisical, acceptLosses: true });
  expect(back.companies[0]).toMatchObject({ state: "done", result: { to: "infisical", moved: 3 } });
  expect(await storeOf(company)).toBe("infisical");
  expect(await handle(company).get("STRIPE_SECRET_KEY")).toBe("sk_test_fake_newer_0002");
  const folder = await fixture.infisical.listSecrets(`/tenants/${company}`);
  expect(folder.map(({ secretKey }) => secretKey)).toEqual([
    "CUSTOM_KEY_2",
    "CUSTOM_NEW",
    "STRIPE_SECRET_KEY",
  ]);

  // The secret of the tombstone is made again in Infisical, and another one is removed there.
  await handle(company).set("CUSTOM_KEY_1", "fake-made-again");
  await handle(company).remove("CUSTOM_KEY_2");
  await handle(company).set("STRIPE_SECRET_KEY", "sk_test_fake_newest_0003");
  const again = await migrator.migrate([company], toDatabase);
  expect(again.companies[0]).toMatchObject({ state: "done", result: { moved: 3 } });
  expect(await handle(company).get("CUSTOM_KEY_1")).toBe("fake-made-again");
  expect(await handle(company).get("STRIPE_SECRET_KEY")).toBe("sk_test_fake_newest_0003");
  expect((await handle(company).list()).secrets.map(({ secretKey }) => secretKey)).toEqual([
    "CUSTOM_KEY_1",
    "CUSTOM_NEW",
    "STRIPE_SECRET_KEY",
  ]);
});

test("a company goes back from the database to hybrid, and not after its folder was removed", async () => {
  const company = await companyInInfisical();
  await migrator.migrate([company], toDatabase);
  const back = await migrator.migrate([company], backToHybrid);
  expect(back.companies[0]).toMatchObject({ state: "done", result: { to: "hybrid", moved: 0 } });
  await migrator.migrate([company], toDatabase);
  await fixture.superuser`update company_stores set changed_at = now() - interval '40 days'`;
  await migrator.migrate([company], { verb: "cleanup", afterDays: 30, folders: 1 });
  expect(await fixture.infisical.listSecrets(`/tenants/${company}`)).toEqual([]);
  const refused = await migrator.migrate([company], backToHybrid);
  expect(refused.companies[0]).toMatchObject({ state: "failed", error: { code: "NOT_SUPPORTED" } });
  expect(await handle(company).get("CUSTOM_KEY_1")).toBe(`fake-${company}-1`);
});

test("a copied secret that is removed and made again in Infisical before the move is there after it", async () => {
  const company = await companyInInfisical();
  await migrator.migrate([company], copy);
  await handle(company).remove("CUSTOM_KEY_1");
  const copied = await migrator.migrate([company], copy);
  expect(copied.companies[0]).toMatchObject({ state: "done", result: { moved: 1 } });
  await handle(company).set("CUSTOM_KEY_1", "fake-made-again");
  await migrator.migrate([company], toDatabase);
  expect(await storeOf(company)).toBe("database");
  expect(await handle(company).get("CUSTOM_KEY_1")).toBe("fake-made-again");
});

test("a migration in slices of one company each does every company once, and its report can be verified", async () => {
  const subdomains = [await companyInInfisical(), await companyInInfisical(), await companyInInfisical()];
  const { run, companies } = await createMigrator(fixture, 0).migrate(subdomains, copy);
  expect(companies.map(({ state, result }) => [state, result?.moved])).toEqual([
    ["done", 3],
    ["done", 3],
    ["done", 3],
  ]);
  const signed = await fixture.secrets.migrations.findReport(operator, run);
  const publicKey = await fixture.secrets.shredding.publicKey(operator);
  const report = verifyMigrationReport(JSON.stringify(signed), publicKey);
  expect(report.totals).toEqual({ done: 3, blocked: 0, failed: 0, moved: 9 });
  const edited = { ...signed, report: signed?.report.replace('"moved": 9', '"moved": 8') };
  expect(() => verifyMigrationReport(JSON.stringify(edited), publicKey)).toThrow("modified");
});
