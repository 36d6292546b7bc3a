import { createInfisicalClient } from "@repo/infisical";
import type { InfisicalRight } from "@repo/infisical/emulator";
import { expect, test } from "vitest";
import { codeOf, createFixture, product } from "../../testing/fixture.ts";

const fixture = await createFixture();
const { infisical, emulator } = fixture;

async function triedWith(rights: readonly InfisicalRight[]): Promise<readonly string[]> {
  const identity = await emulator.addIdentity({ rights });
  const client = createInfisicalClient({ ...emulator, ...identity, environment: "dev" });
  return fixture.another({ infisical: client }).tryInfisicalRights();
}

const looking = ["describeSecret", "readValue"] as const;
const keys: InfisicalRight = { on: "secrets", actions: looking, path: "/hono-api" };

/** What docs/infisical.md asks for. */
const documented: readonly InfisicalRight[] = [
  keys,
  { on: "secrets", actions: [...looking, "create", "edit", "delete"], path: "/tenants/**" },
  { on: "secret-folders", actions: ["create"], path: "/tenants" },
];

test("the right to read /hono-api suffices where no company's secrets live in Infisical", async () => {
  await fixture.company("database");
  expect(await triedWith([keys])).toEqual([]);
  expect(await triedWith([])).toEqual([
    expect.stringContaining("may not read the values of secrets in /hono-api"),
  ]);
  expect((await infisical.listFolders("/tenants")).map((folder) => folder.name)).toEqual([]);
});

test("the documented rights suffice, and the check of them leaves nothing but an empty folder", async () => {
  const company = await fixture.company("infisical");
  expect(await triedWith(documented)).toEqual([]);
  expect(await infisical.listSecrets("/tenants/_rights-check")).toEqual([]);
  const identity = await emulator.addIdentity({ rights: documented });
  const client = createInfisicalClient({ ...emulator, ...identity, environment: "dev" });
  const acme = fixture.another({ infisical: client }).company(company, product);
  await acme.set("CUSTOM_KEY", "fake-0001");
  await acme.set("CUSTOM_KEY", "fake-0002");
  expect(await acme.get("CUSTOM_KEY")).toBe("fake-0002");
  expect((await acme.list()).secrets).toHaveLength(1);
  await acme.remove("CUSTOM_KEY");
  expect(await codeOf(acme.get("CUSTOM_KEY"))).toBe("NOT_FOUND");
});

test.for([
  ["create", "create secrets below /tenants"],
  ["edit", "edit secrets below /tenants"],
  ["delete", "delete secrets below /tenants"],
  ["describeSecret", "list secrets below /tenants"],
  ["readValue", "read the values of secrets below /tenants"],
] as const)("a role without %s is told of with that right", async ([action, sentence]) => {
  const [ofKeys, ofTenants, ofFolders] = documented;
  if (!ofKeys || !ofTenants || !ofFolders) throw new Error("three rights");
  const less = { ...ofTenants, actions: ofTenants.actions.filter((each) => each !== action) };
  const missing = await triedWith([ofKeys, less, ofFolders]);
  expect(missing).toEqual(expect.arrayContaining([expect.stringContaining(`may not ${sentence}`)]));
});

test("rights below /tenants do not suffice, and the missing right on /tenants is named", async () => {
  await infisical.deleteFolder("/tenants/_rights-check");
  const below = documented.map((right) => ({
    ...right,
    path: right.path.replace("/tenants/**", "/tenants/*"),
  }));
  const missing = await triedWith(below.filter(({ on }) => on === "secrets"));
  expect(missing).toEqual([expect.stringContaining("may not create folders in /tenants")]);
});
