import { beforeAll, describe, expect, test } from "vitest";
import type { Company } from "../companies/companies.ts";
import { codeOf, createFixture, product, type Fixture } from "../testing/fixture.ts";
import { openEach } from "./decrypt.ts";
import { createCompany, createStores, valueOf, write, type Stores } from "../testing/store-fixture.ts";

let fixture: Fixture;
let stores: Stores;
let store: Stores["database"];
let acme: Company;

beforeAll(async () => {
  fixture = await createFixture();
  stores = createStores(fixture);
  store = stores.database;
});

const newCompany = async (): Promise<void> => void (acme = await createCompany(fixture, "database"));
const setMany = (values: Readonly<Record<string, string>>, requestId?: string, options = {}) =>
  store.writeMany(
    acme,
    Object.entries(values).map(([name, value]) => write(`CUSTOM_${name}`, value, options)),
    { requestId },
    product,
  );
const set = (name: string, value: string) => store.write(acme, write(`CUSTOM_${name}`, value, {}), product);
const getMany = async (...names: readonly string[]) =>
  Object.fromEntries(
    [
      ...(await openEach(
        names.map((name) => `CUSTOM_${name}`),
        (secretKey) => store.find(acme, secretKey),
      )),
    ].map(([secretKey, { plaintext, version }]) => [
      secretKey.replace("CUSTOM_", ""),
      `${version} ${plaintext.reveal()}`,
    ]),
  );

describe("a batch of writes", () => {
  test("makes a version of each secret, with its event, and is read back in one go", async () => {
    await newCompany();
    await set("B", "first");
    expect(await setMany({ C: "see", A: "ay", B: "be" })).toEqual([
      { secretKey: "CUSTOM_A", version: 1 },
      { secretKey: "CUSTOM_B", version: 2 },
      { secretKey: "CUSTOM_C", version: 1 },
    ]);
    await store.remove(acme, "CUSTOM_C", {}, product);
    expect(await getMany("A", "B", "C", "NONE")).toEqual({ A: "1 ay", B: "2 be" });
    const events = await fixture.superuser`
      select secret_key from audit_events where company_id = ${acme.id} and action = 'secret.write' order by position`;
    expect(events.map((row) => row["secret_key"])).toEqual(["CUSTOM_B", "CUSTOM_A", "CUSTOM_B", "CUSTOM_C"]);
  });

  test("is refused as a whole, with each secret that stands in its way", async () => {
    await newCompany();
    await set("A", "a");
    await set("B", "b");
    const none = setMany({ A: "new", B: "new", C: "new", D: "new" }, undefined, { expectedVersion: 0 });
    await expect(none).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("None of the batch was done, because of CUSTOM_A, CUSTOM_B: "),
      failures: [
        { secretKey: "CUSTOM_A", code: "CONFLICT", currentVersion: 1 },
        { secretKey: "CUSTOM_B", code: "CONFLICT", currentVersion: 1 },
      ],
    });
    expect(await getMany("A", "B", "C")).toEqual({ A: "1 a", B: "1 b" });
    expect(await fixture.superuser`select from company_secrets where company_id = ${acme.id}`).toHaveLength(
      2,
    );
    const twice = [write("CUSTOM_A", "1", {}), write("CUSTOM_A", "2", {})];
    expect(await codeOf(store.writeMany(acme, twice, {}, product))).toBe("INVALID_INPUT");
    expect(await codeOf(store.writeMany(acme, [], {}, product))).toBe("INVALID_INPUT");
    const names = Array.from({ length: 101 }, (_, i) => [`N${i}`, "x"]);
    expect(await codeOf(setMany(Object.fromEntries(names)))).toBe("INVALID_INPUT");
  });

  test("is applied once by a retried request, whatever the order, also after its company's key was replaced", async () => {
    await newCompany();
    await set("A", "start");
    const made = [
      { secretKey: "CUSTOM_A", version: 2 },
      { secretKey: "CUSTOM_B", version: 1 },
    ];
    const attempts = Array.from({ length: 5 }, () => setMany({ A: "one", B: "two" }, "import-1"));
    expect(await Promise.all(attempts)).toEqual(Array.from({ length: 5 }, () => made));
    await set("B", "later");
    expect(await setMany({ B: "two", A: "one" }, "import-1")).toEqual(made);
    expect(await codeOf(setMany({ A: "one", B: "other" }, "import-1"))).toBe("CONFLICT");
    expect(await codeOf(setMany({ A: "one" }, "import-1"))).toBe("CONFLICT");
    const operator = { actor: { kind: "operator", id: "test-operator" } } as const;
    await fixture.secrets.companyKeyRotation.rotateCompanyKey(operator, acme.subdomain);
    const elsewhere = createStores(fixture).database;
    const again = [write("CUSTOM_B", "two", {}), write("CUSTOM_A", "one", {})];
    expect(await elsewhere.writeMany(acme, again, { requestId: "import-1" }, product)).toEqual(made);
    expect(await getMany("A", "B")).toEqual({ A: "2 one", B: "2 later" });
  });

  test("never waits for another one for ever, nor for single writes, and leaves no secret between two batches", async () => {
    await newCompany();
    const names = Array.from({ length: 8 }, (_, i) => `K${i}`);
    const batch = (order: readonly string[], value: string) =>
      setMany(Object.fromEntries(order.map((name) => [name, value])));
    const rounds = Array.from({ length: 6 }, (_, i) => [
      batch(names, `up ${i}`),
      batch(names.toReversed(), `down ${i}`),
      batch(["X", ...names.slice(3)], `some ${i}`),
      set("K5", `single ${i}`),
    ]);
    await Promise.all(rounds.flat());
    const heads = await fixture.superuser`
      select secret_key, last_version from company_secrets where company_id = ${acme.id} order by secret_key`;
    expect(heads.map((row) => row["last_version"])).toEqual([12, 12, 12, 18, 18, 24, 18, 18, 6]);
    const values = await getMany("K0", "K1", "K2");
    expect(new Set(Object.values(values)).size).toBe(1);
  });

  test("of 100 secrets is written and read", async () => {
    await newCompany();
    const values = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`N${i}`, `value ${i}`]));
    expect(await setMany(values)).toHaveLength(100);
    expect(Object.keys(await getMany(...Object.keys(values)))).toHaveLength(100);
  });

  test("that is read opens wholly or says what does not open", async () => {
    await newCompany();
    await setMany({ A: "a", B: "b", C: "c" });
    await fixture.superuser`update company_secrets a set secret_value_encrypted = b.secret_value_encrypted from company_secrets b
      where a.company_id = ${acme.id} and b.company_id = ${acme.id} and a.secret_key = 'CUSTOM_A' and b.secret_key = 'CUSTOM_B'`;
    await expect(getMany("A", "B", "C")).rejects.toMatchObject({
      code: "INTEGRITY_FAILURE",
      failures: [{ secretKey: "CUSTOM_A", code: "INTEGRITY_FAILURE" }],
    });
  });
});

test("a company in Infisical reads several at once, and is refused what its capabilities do not say", async () => {
  const company = await createCompany(fixture, "infisical");
  const { infisical } = stores;
  await infisical.write(company, write("CUSTOM_A", "a", {}), product);
  const found = await openEach(["CUSTOM_A", "CUSTOM_NONE"], (secretKey) =>
    infisical.find(company, secretKey),
  );
  expect([...found.keys()]).toEqual(["CUSTOM_A"]);
  expect(await infisical.findLive(company, "CUSTOM_A")).toMatchObject([{ stage: "current" }]);
  const refused = [
    infisical.write(company, write("CUSTOM_A", "b", { graceSeconds: 60 }), product),
    infisical.writeMany(company, [write("CUSTOM_A", "b", {})], {}, product),
    infisical.stage(company, write("CUSTOM_A", "b", {}), product),
    infisical.promote(company, "CUSTOM_A", {}, product),
    infisical.discard(company, "CUSTOM_A", {}, product),
    infisical.rollback(company, "CUSTOM_A", { toVersion: 1 }, product),
    infisical.purge(company, "CUSTOM_A", {}, product),
    infisical.history(company, "CUSTOM_A", {}),
    infisical.setExpiry(company, "CUSTOM_A", { expiresAt: null }, product),
    infisical.keepCheck(company, "CUSTOM_A", 1, "accepted", product),
  ];
  expect(new Set(await Promise.all(refused.map(codeOf)))).toEqual(new Set(["NOT_SUPPORTED"]));
  expect(await valueOf(infisical.find(company, "CUSTOM_A"))).toBe("a");
  const { history, stages, rollback, purge, bulk, expiry, checks } = infisical.capabilities;
  expect([history, stages, rollback, purge, bulk, expiry, checks]).toEqual(
    Array.from({ length: 7 }, () => false),
  );
});
