import { capabilitiesOf, findActive, refusingOptions, supported } from "./capabilities.ts";
import { beforeAll, describe, expect, test } from "vitest";
import type { Company } from "../companies/companies.ts";
import { codeOf, createFixture, type Fixture } from "../testing/fixture.ts";
import { decryptEach } from "./decrypt.ts";
import {
  createCompany,
  createStores,
  valueOf,
  write,
  type Stores,
  inScope,
} from "../testing/store-fixture.ts";

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
  store.batches.writeMany(inScope(acme), {
    writes: Object.entries(values).map(([name, value]) => write(`CUSTOM_${name}`, value, options)),
    requestId,
  });
const set = (name: string, value: string) => store.write(inScope(acme), write(`CUSTOM_${name}`, value, {}));
const getMany = async (...names: readonly string[]) =>
  Object.fromEntries(
    [
      ...(await decryptEach(
        names.map((name) => `CUSTOM_${name}`),
        (secretKey) => store.find(acme, secretKey),
      )),
    ].map(([secretKey, { plaintext, version }]) => [
      secretKey.replace("CUSTOM_", ""),
      `${version} ${plaintext.reveal()}`,
    ]),
  );

describe("a batch of writes", () => {
  test("a batch makes a version and an event of each secret, and reads back in one query", async () => {
    await newCompany();
    await set("B", "first");
    expect(await setMany({ C: "see", A: "ay", B: "be" })).toEqual([
      { secretKey: "CUSTOM_A", version: 1 },
      { secretKey: "CUSTOM_B", version: 2 },
      { secretKey: "CUSTOM_C", version: 1 },
    ]);
    await store.remove(inScope(acme), { secretKey: "CUSTOM_C" });
    expect(await getMany("A", "B", "C", "NONE")).toEqual({ A: "1 ay", B: "2 be" });
    const events = await fixture.superuser`
      select secret_key from audit_events where company_id = ${acme.id} and action = 'secret.write' order by position`;
    expect(events.map((row) => row["secret_key"])).toEqual(["CUSTOM_B", "CUSTOM_A", "CUSTOM_B", "CUSTOM_C"]);
  });

  test("a batch is refused as a whole, and its error names each secret that prevents it", async () => {
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
    expect(await codeOf(store.batches.writeMany(inScope(acme), { writes: twice }))).toBe("INVALID_INPUT");
    expect(await codeOf(store.batches.writeMany(inScope(acme), { writes: [] }))).toBe("INVALID_INPUT");
    const names = Array.from({ length: 101 }, (_, i) => [`N${i}`, "x"]);
    expect(await codeOf(setMany(Object.fromEntries(names)))).toBe("INVALID_INPUT");
  });

  test("a retried batch applies once, in any order of its secrets, also after the company key was rotated", async () => {
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
    const batch = { writes: again, requestId: "import-1" };
    expect(await elsewhere.batches.writeMany(inScope(acme), batch)).toEqual(made);
    expect(await getMany("A", "B")).toEqual({ A: "2 one", B: "2 later" });
  });

  test("batches at once deadlock neither with each other nor with single writes, and no secret mixes two batches", async () => {
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

  test("a batch of 100 secrets is written and read", async () => {
    await newCompany();
    const values = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`N${i}`, `value ${i}`]));
    expect(await setMany(values)).toHaveLength(100);
    expect(Object.keys(await getMany(...Object.keys(values)))).toHaveLength(100);
  });

  test("a batch read decrypts every secret, or fails and names the secrets that do not decrypt", async () => {
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

test("a company on Infisical reads several secrets at once, and is refused every operation that its capabilities exclude", async () => {
  const company = await createCompany(fixture, "infisical");
  const infisical = refusingOptions(stores.infisical);
  const scope = inScope(company);
  const secretKey = "CUSTOM_A";
  await infisical.write(scope, write(secretKey, "a", {}));
  const found = await decryptEach([secretKey, "CUSTOM_NONE"], (name) => infisical.find(company, name));
  expect([...found.keys()]).toEqual([secretKey]);
  expect(await findActive(infisical, company, { secretKey })).toMatchObject([{ stage: "current" }]);
  const versions = () => supported(infisical, "versions");
  const refused = [
    async () => infisical.write(scope, write(secretKey, "b", { graceSeconds: 60 })),
    async () => infisical.write(scope, write(secretKey, "b", { endGrace: true })),
    async () => infisical.write(scope, write(secretKey, "b", { expiresAt: new Date() })),
    async () => infisical.write(scope, write(secretKey, "b", { reminderDays: [] })),
    async () => infisical.remove(scope, { secretKey, expectedVersion: 1 }),
    async () => infisical.remove(scope, { secretKey, requestId: "r-1" }),
    async () => supported(infisical, "batches").writeMany(scope, { writes: [write(secretKey, "b", {})] }),
    async () => versions().stage(scope, write(secretKey, "b", {})),
    async () => versions().promote(scope, { secretKey }),
    async () => versions().discard(scope, { secretKey }),
    async () => versions().rollback(scope, { secretKey, toVersion: 1 }),
    async () => versions().purge(scope, { secretKey }),
    async () => versions().history(company, { secretKey }),
    async () => versions().setExpiry(scope, { secretKey, expiresAt: null }),
    async () =>
      supported(infisical, "checks").recordCheck(scope, { secretKey, version: 1, result: "accepted" }),
  ];
  for (const call of refused)
    expect([String(call), await codeOf(call())]).toEqual([String(call), "NOT_SUPPORTED"]);
  const usual = { graceSeconds: 0, endGrace: false, expiresAt: null, note: undefined };
  await infisical.write(scope, write(secretKey, "c", usual));
  expect(await valueOf(infisical.find(company, secretKey))).toBe("c");
  const { history, stages, rollback, purge, bulk, expiry, checks } = capabilitiesOf(infisical);
  expect([history, stages, rollback, purge, bulk, expiry, checks]).toEqual(
    Array.from({ length: 7 }, () => false),
  );
});
