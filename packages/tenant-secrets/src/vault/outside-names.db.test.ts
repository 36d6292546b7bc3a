import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { SecretStoreName } from "@repo/catalog";
import { codeOf, createFixture, product, type Fixture } from "../testing/fixture.ts";
import { putByHand } from "../testing/store-fixture.ts";

let fixture: Fixture;

beforeAll(async () => {
  fixture = await createFixture();
});
beforeEach(() => fixture.emulator.faults.clear());

const put = (subdomain: string, name: string) =>
  putByHand(fixture, subdomain, { name, value: "fake-outside" });
const isInFolder = async (subdomain: string, name: string) =>
  (await fixture.infisical.findSecret(`/tenants/${subdomain}`, name)) !== undefined;

async function companyWith(store: SecretStoreName, here: string, outside: string) {
  const subdomain = await fixture.company(store);
  const secrets = fixture.secrets.company(subdomain, product);
  await secrets.set("CUSTOM_HERE", here);
  await put(subdomain, outside);
  return { subdomain, secrets };
}

describe("listing a hybrid company", () => {
  test.for([
    ["does not answer", { kind: "answer", status: 503 }, "STORE_UNAVAILABLE"],
    ["refuses", { kind: "answer", status: 403, body: { message: "no" } }, "FORBIDDEN"],
  ] as const)(
    "the list has the database's secrets while Infisical %s, and says what is missing",
    async ([, fault, code]) => {
      const { subdomain } = await companyWith("hybrid", "here", "CUSTOM_OUTSIDE");
      const process = fixture.another();
      const secrets = process.company(subdomain, product);
      const namesOf = async () => (await secrets.list()).secrets.map(({ secretKey }) => secretKey);
      expect(await namesOf()).toEqual(["CUSTOM_HERE", "CUSTOM_OUTSIDE"]);
      expect((await secrets.list()).missing).toBeUndefined();
      fixture.emulator.faults.add(fault, { times: 1000, path: /secrets/ });
      const list = await secrets.list();
      expect(list.missing).toBe("infisical");
      expect(list.secrets.map(({ secretKey }) => secretKey)).toEqual(["CUSTOM_HERE"]);
      // Features that need the complete list are refused.
      const owner = await fixture.person(subdomain, "owner");
      const scope = await fixture.scope(subdomain, owner);
      expect(await codeOf(process.vault.export(scope, { format: "env", purpose: "incident" }))).toBe(code);
    },
  );
});

test.for(["infisical", "hybrid"] as const)(
  "the list marks names that our rules do not allow, as far as the caller's permission covers them: %s",
  async (store) => {
    const { subdomain, secrets } = await companyWith(store, "here", "__proto__");
    for (const name of ["1_DIGIT", "WITH-HYPHEN", "CUSTOM_\u001b[31m"]) await put(subdomain, name);
    const list = await secrets.list();
    const unusable = list.secrets.filter(({ usable }) => usable === false);
    expect(unusable.map(({ secretKey, inCatalog, location }) => [secretKey, inCatalog, location])).toEqual(
      ["1_DIGIT", "CUSTOM_\u001b[31m", "WITH-HYPHEN", "__proto__"].map((name) => [name, false, "infisical"]),
    );
    expect(
      list.secrets.filter(({ usable }) => usable === undefined).map(({ secretKey }) => secretKey),
    ).toEqual(["CUSTOM_HERE"]);
    const scope = await fixture.scope(subdomain, await fixture.person(subdomain, "owner"));
    const { leftOut } = await fixture.secrets.vault.export(scope, { format: "env", purpose: "incident" });
    expect(leftOut).toContainEqual({ secretKey: "__proto__", reason: "not-in-catalogue" });
  },
);

describe("removing a secret of a hybrid company", () => {
  test("a removal reports a value that remains in Infisical, and deletes it there on request, at once or later", async () => {
    const { subdomain, secrets } = await companyWith("hybrid", "here", "CUSTOM_LATER");
    await put(subdomain, "CUSTOM_NOW");
    expect(await secrets.remove("CUSTOM_LATER")).toEqual({ recoverUntil: undefined, leftInInfisical: true });
    expect(await secrets.find("CUSTOM_LATER")).toBeUndefined();
    expect(await isInFolder(subdomain, "CUSTOM_LATER")).toBe(true);
    expect(await secrets.remove("CUSTOM_LATER", { inInfisical: true })).toEqual({ leftInInfisical: false });
    expect(await isInFolder(subdomain, "CUSTOM_LATER")).toBe(false);
    expect(await codeOf(secrets.remove("CUSTOM_LATER", { inInfisical: true }))).toBe("NOT_FOUND");
    expect(await secrets.remove("CUSTOM_NOW", { inInfisical: true })).toMatchObject({
      leftInInfisical: false,
    });
    expect(await isInFolder(subdomain, "CUSTOM_NOW")).toBe(false);
    const events = await fixture.superuser`select outcome from audit_events
      where secret_key = 'CUSTOM_NOW' and company_id = (select id from companies where subdomain = ${subdomain}) order by position`;
    expect(events.map(({ outcome }) => outcome)).toEqual(["success", "attempted", "success"]);
  });

  test("a removal also reports the original of a backfilled secret, and never a value that Infisical never had", async () => {
    const { subdomain, secrets } = await companyWith("hybrid", "here", "CUSTOM_COPY");
    await secrets.get("CUSTOM_COPY");
    const copy = await secrets.remove("CUSTOM_COPY");
    expect(copy).toMatchObject({ recoverUntil: expect.any(Date), leftInInfisical: true });
    expect(await secrets.remove("CUSTOM_HERE")).toMatchObject({ leftInInfisical: false });
    expect(await isInFolder(subdomain, "CUSTOM_COPY")).toBe(true);
  });

  test("a removal succeeds while Infisical is unavailable, and reports the original as unknown", async () => {
    const { subdomain } = await companyWith("hybrid", "here", "CUSTOM_OUTSIDE");
    const secrets = fixture.another().company(subdomain, product);
    await secrets.get("CUSTOM_HERE");
    fixture.emulator.faults.add({ kind: "answer", status: 503 }, { times: 1000, path: /secrets/ });
    const removed = await secrets.remove("CUSTOM_HERE");
    expect(removed).toMatchObject({ recoverUntil: expect.any(Date), leftInInfisical: undefined });
    expect(await codeOf(secrets.remove("CUSTOM_OUTSIDE"))).toBe("STORE_UNAVAILABLE");
  });

  test("deletion in Infisical is not supported if the company has nothing there", async () => {
    const { secrets } = await companyWith("database", "here", "CUSTOM_OUTSIDE");
    expect(await codeOf(secrets.remove("CUSTOM_HERE", { inInfisical: true }))).toBe("NOT_SUPPORTED");
    expect(await secrets.get("CUSTOM_HERE")).toBe("here");
  });
});
