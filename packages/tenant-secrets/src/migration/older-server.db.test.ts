import { expect, test } from "vitest";
import { createFixture, operator, product } from "../testing/fixture.ts";
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

test("a company of an older Infisical moves to the database and back, and its folder is removed", async () => {
  const fixture = await createFixture(undefined, undefined, { generation: "older" });
  const { migrate } = createMigrator(fixture);
  const company = await fixture.company("infisical");
  const acme = fixture.secrets.company(company, product);
  await acme.set("CUSTOM_KEPT", "fake-kept");
  await acme.set("CUSTOM_GONE", "fake-gone");
  const stateOf = async (step: Parameters<typeof migrate>[1]) => {
    const [result] = (await migrate([company], step)).companies;
    return [result?.state, result?.result?.moved, result?.result?.findings.map(({ code }) => code)];
  };
  const storeOf = async () => (await fixture.secrets.companies.get(operator, company)).secretStore;
  expect(await stateOf(plan)).toEqual(["done", 0, []]);
  expect(await stateOf(copy)).toEqual(["done", 2, []]);
  expect(await stateOf(verify)).toEqual(["done", 0, []]);
  expect(await stateOf(toHybrid)).toEqual(["done", 0, []]);
  expect(await stateOf(toDatabase)).toEqual(["done", 0, []]);
  await acme.set("CUSTOM_NEW", "fake-new");
  await acme.remove("CUSTOM_GONE");
  expect(await stateOf(backToHybrid)).toEqual(["done", 0, []]);
  expect(await stateOf({ ...backToInfisical, acceptLosses: true })).toEqual(["done", 2, []]);
  expect(await storeOf()).toBe("infisical");
  const inFolder = async () =>
    (await fixture.infisical.listSecrets(`/tenants/${company}`)).map(({ secretKey, value }) => [
      secretKey,
      value,
    ]);
  expect(await inFolder()).toEqual([
    ["CUSTOM_KEPT", "fake-kept"],
    ["CUSTOM_NEW", "fake-new"],
  ]);

  expect(await stateOf(toDatabase)).toEqual(["done", 0, []]);
  await fixture.superuser`update company_stores set changed_at = now() - interval '40 days'`;
  expect(await stateOf({ verb: "cleanup", afterDays: 30, folders: 1 })).toEqual(["done", 2, []]);
  const folders = await fixture.infisical.listFolders("/tenants");
  expect(folders.map(({ name }) => name)).not.toContain(company);
  expect(await fixture.another().company(company, product).getMany(["CUSTOM_KEPT", "CUSTOM_NEW"])).toEqual({
    CUSTOM_KEPT: "fake-kept",
    CUSTOM_NEW: "fake-new",
  });
  expect(await acme.find("CUSTOM_GONE")).toBeUndefined();
});
