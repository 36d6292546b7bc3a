import { beforeAll, describe, expect, test } from "vitest";
import { codeOf, createFixture, operator, product, type Fixture } from "../testing/fixture.ts";
import { backToHybrid, copy, createMigrator, toDatabase, toHybrid, verify } from "../testing/migrating.ts";

// What people do in a company's folder in Infisical, beside this product.

let fixture: Fixture;
let migrate: ReturnType<typeof createMigrator>["migrate"];

beforeAll(async () => {
  fixture = await createFixture();
  ({ migrate } = createMigrator(fixture));
});

const handle = (company: string) => fixture.secrets.company(company, product);
const edit = (company: string, name: string, value: string) =>
  fixture.infisical.putSecret(`/tenants/${company}`, name, value);
const erase = (company: string, name: string) => fixture.infisical.deleteSecret(`/tenants/${company}`, name);
const storeOf = async (company: string) =>
  (await fixture.secrets.companies.get(operator, company)).secretStore;

async function companyWith(...names: readonly string[]): Promise<string> {
  const company = await fixture.company("infisical");
  for (const name of names) await edit(company, name, `fake-${name}`);
  return company;
}

async function outcome(company: string, step: Parameters<typeof migrate>[1]) {
  const [result] = (await migrate([company], step)).companies;
  return [result?.state, result?.error?.code ?? result?.result?.findings.map(({ code }) => code)];
}

describe("after the company has left its folder", () => {
  test("a copy does not bring what was made there since", async () => {
    const company = await companyWith("CUSTOM_A");
    await migrate([company], toDatabase);
    await edit(company, "CUSTOM_LATER", "fake-later");
    expect(await outcome(company, copy)).toEqual(["failed", "NOT_SUPPORTED"]);
    expect(await codeOf(handle(company).get("CUSTOM_LATER"))).toBe("NOT_FOUND");
  });

  test("a rollback to hybrid serves what the database served, and not what was changed there since", async () => {
    const company = await companyWith("CUSTOM_A", "CUSTOM_B");
    await migrate([company], toDatabase);
    await edit(company, "CUSTOM_A", "fake-edited-later");
    expect(await outcome(company, backToHybrid)).toEqual(["done", []]);
    const read = () => fixture.another().company(company, product).getMany(["CUSTOM_A", "CUSTOM_B"]);
    expect(await read()).toEqual({ CUSTOM_A: "fake-CUSTOM_A", CUSTOM_B: "fake-CUSTOM_B" });
    // The other one still is a copy of the folder.
    await edit(company, "CUSTOM_B", "fake-edited-in-hybrid");
    expect(await read()).toEqual({ CUSTOM_A: "fake-CUSTOM_A", CUSTOM_B: "fake-edited-in-hybrid" });
  });
});

describe("a folder that has become empty", () => {
  const copies = async (company: string) => {
    const [row] = await fixture.superuser`
      select count(*)::int as copies from company_secrets h join companies c on c.id = h.company_id
      where c.subdomain = ${company} and h.secret_value_encrypted is not null`;
    return row?.["copies"];
  };

  test("is neither copied, verified nor switched, however often that is tried, and no copy is destroyed", async () => {
    const company = await companyWith("CUSTOM_A", "CUSTOM_B");
    await migrate([company], copy);
    await fixture.infisical.deleteFolder(`/tenants/${company}`);
    for (const step of [verify, copy, toHybrid, toDatabase, verify, copy]) {
      const [state, findings] = await outcome(company, step);
      expect([state, String(findings).includes("FOLDER_EMPTY")]).toEqual(["blocked", true]);
    }
    expect([await copies(company), await storeOf(company)]).toEqual([2, "infisical"]);
  });

  test("is believed where its secrets were removed through the product", async () => {
    const company = await companyWith("CUSTOM_A", "CUSTOM_B");
    await migrate([company], copy);
    await handle(company).remove("CUSTOM_A");
    await erase(company, "CUSTOM_B");
    expect(await outcome(company, copy)).toEqual(["blocked", ["FOLDER_EMPTY"]]);
    // As the finding says.
    expect(await codeOf(handle(company).remove("CUSTOM_B"))).toBe("NOT_FOUND");
    expect(await outcome(company, copy)).toEqual(["done", []]);
    expect(await outcome(company, toDatabase)).toEqual(["done", []]);
    expect([await copies(company), await storeOf(company)]).toEqual([0, "database"]);
  });
});
