import type { InfisicalClient } from "@repo/infisical";
import { beforeAll, describe, expect, test } from "vitest";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { customSecret, defineCatalog } from "@repo/catalog";
import type { Company } from "../../companies/companies.ts";
import { codeOf, createFixture, type Fixture } from "../../testing/fixture.ts";
import {
  createCompany,
  createStores,
  activeOf,
  valueOf,
  write,
  type Stores,
  inScope,
} from "../../testing/store-fixture.ts";

let fixture: Fixture;
let stores: Stores;
let acme: Company;

const key = "CUSTOM_KEY";
const catalog = defineCatalog({
  ...deliveryChatCatalog.entries,
  CHANGING: { ...customSecret, backfill: false },
});

beforeAll(async () => {
  fixture = await createFixture();
  stores = createStores(fixture, catalog);
});

const outside = (value: string, name = key, company = acme) =>
  fixture.infisical.putSecret(`/tenants/${company.infisicalFolder}`, name, value);
const read = (from = stores, name = key) => valueOf(from.hybrid.find(acme, name));
const head = async (name = key) => {
  const [row] = await fixture.superuser`
    select origin, current_version as version from company_secrets where company_id = ${acme.id} and secret_key = ${name}`;
  return row === undefined ? undefined : `${String(row["origin"])} ${String(row["version"])}`;
};
const begin = async (): Promise<void> => void (acme = await createCompany(fixture, "hybrid"));

describe("a secret that only Infisical has", () => {
  test("a read of a secret that only Infisical has copies it into the database, audited as a job", async () => {
    await begin();
    await outside("from Infisical");
    expect((await stores.hybrid.find(acme, key))?.version).toBe(1);
    expect([await read(), await head()]).toEqual(["from Infisical", "infisical 1"]);
    const events = await fixture.superuser`
      select actor_kind, actor_id, version from audit_events
      where company_id = ${acme.id} and action = 'secret.backfill' and outcome = 'success'`;
    expect(events).toEqual([{ actor_kind: "job", actor_id: "backfill", version: 1 }]);
    expect((await fixture.infisical.findSecret(`/tenants/${acme.infisicalFolder}`, key))?.value).toBe(
      "from Infisical",
    );
  });

  test("concurrent readers in several processes copy a secret once", async () => {
    await begin();
    await outside("from Infisical");
    const processes = [stores, createStores(fixture, catalog), createStores(fixture, catalog)];
    const values = await Promise.all(
      processes.flatMap((each) => Array.from({ length: 10 }, () => read(each))),
    );
    expect(new Set(values)).toEqual(new Set(["from Infisical"]));
    expect(await head()).toBe("infisical 1");
  });

  test("a secret is not copied where the catalogue forbids it or refuses the value", async () => {
    await begin();
    await outside("changes often", "CHANGING");
    await outside("not a key of Stripe", "STRIPE_SECRET_KEY");
    for (const name of ["CHANGING", "STRIPE_SECRET_KEY"]) {
      expect((await stores.hybrid.find(acme, name))?.version).toBe(0);
      expect(await head(name)).toBeUndefined();
      expect(await activeOf(stores.hybrid, acme, name)).toHaveLength(1);
    }
    await outside("changed", "CHANGING");
    expect(await read(stores, "CHANGING")).toBe("changed");
    expect(await codeOf(stores.hybrid.versions.history(acme, { secretKey: "CHANGING" }))).toBe(
      "NOT_SUPPORTED",
    );
    expect(await codeOf(stores.hybrid.versions.stage(inScope(acme), write("CHANGING", "x", {})))).toBe(
      "NOT_SUPPORTED",
    );
  });

  test("an operation that only the database supports copies the secret first", async () => {
    await begin();
    await outside("one");
    expect(await stores.hybrid.versions.stage(inScope(acme), write(key, "two", {}))).toEqual({ version: 2 });
    expect(await activeOf(stores.hybrid, acme, key)).toEqual(["current 1 one", "pending 2 two"]);
    await outside("first", "CUSTOM_LIVE");
    expect(await activeOf(stores.hybrid, acme, "CUSTOM_LIVE")).toEqual(["current 1 first"]);
    expect(await codeOf(stores.hybrid.versions.history(acme, { secretKey: "CUSTOM_NONE" }))).toBe(
      "NOT_FOUND",
    );
  });

  test("a secret is served from Infisical while it cannot be copied", async () => {
    await begin();
    await outside("from Infisical");
    const { database } = fixture;
    const readOnly = createStores(
      { ...fixture, database: { ...database, inCompany: () => Promise.reject(new Error("read-only")) } },
      catalog,
    );
    const found = await readOnly.hybrid.find(acme, key);
    expect([found?.decrypt().reveal(), found?.version, found?.ttlMs]).toEqual(["from Infisical", 0, 10_000]);
    expect(readOnly.hybrid.measure()).toEqual({ backfilled: 0, refreshed: 0, failed: 1 });
  });

  test("an outage of Infisical is an error of the store, and not NOT_FOUND", async () => {
    await begin();
    fixture.emulator.faults.add({ kind: "answer", status: 503 }, { path: /CUSTOM_KEY/, times: 2 });
    expect(await codeOf(stores.hybrid.find(acme, key))).toBe("STORE_UNAVAILABLE");
    fixture.emulator.faults.clear();
    expect(await stores.hybrid.find(acme, key)).toBeUndefined();
  });

  test("a removed secret is neither read nor copied from Infisical", async () => {
    await begin();
    await outside("old");
    await read();
    await stores.hybrid.remove(inScope(acme), { secretKey: key });
    expect(await createStores(fixture, catalog).hybrid.find(acme, key)).toBeUndefined();
    await outside("old", "CUSTOM_NEVER_READ");
    await stores.hybrid.remove(inScope(acme), { secretKey: "CUSTOM_NEVER_READ" });
    expect(await stores.hybrid.find(acme, "CUSTOM_NEVER_READ")).toBeUndefined();
  });
});

describe("a copy in the database", () => {
  test("a copy follows Infisical until the first write to the database, and never after it", async () => {
    await begin();
    await outside("one");
    await read();
    await outside("two");
    // This process has just looked; one that has not looks.
    expect(await read()).toBe("one");
    const another = createStores(fixture, catalog);
    expect([await read(another), await head()]).toEqual(["two", "infisical 2"]);
    expect(another.hybrid.measure()).toEqual({ backfilled: 0, refreshed: 1, failed: 0 });
    await stores.hybrid.write(inScope(acme), write(key, "ours", {}));
    await outside("three");
    expect([await read(createStores(fixture, catalog)), await head()]).toEqual(["ours", "written 3"]);
  });

  test("a copy follows Infisical also where only its active versions are read", async () => {
    await begin();
    await outside("one");
    expect(await activeOf(stores.hybrid, acme, key)).toEqual(["current 1 one"]);
    await outside("two");
    const another = createStores(fixture, catalog);
    expect(await activeOf(another.hybrid, acme, key)).toEqual(["current 2 two"]);
    const [current] = (await another.hybrid.versions.findActive(acme, { secretKey: key })) ?? [];
    expect(current?.encrypted.ttlMs).toBeLessThanOrEqual(300_000);
  });

  test("a copy does not replace a promoted version or a rollback", async () => {
    await begin();
    await outside("one");
    await stores.hybrid.versions.stage(inScope(acme), write(key, "ours", {}));
    await stores.hybrid.versions.promote(inScope(acme), { secretKey: key });
    await outside("newer");
    expect(await read(createStores(fixture, catalog))).toBe("ours");
    await stores.hybrid.versions.rollback(inScope(acme), { secretKey: key, toVersion: 1 });
    expect(await read(createStores(fixture, catalog))).toBe("one");
  });

  test("a copy does not replace a restored secret", async () => {
    await begin();
    await outside("one");
    await read();
    await stores.hybrid.remove(inScope(acme), { secretKey: key });
    await stores.hybrid.versions.restore(inScope(acme), { secretKey: key });
    await outside("newer");
    expect([await read(createStores(fixture, catalog)), await head()]).toEqual(["one", "written 1"]);
  });

  test("a copy that is made during the removal of its secret is removed", async () => {
    await begin();
    await outside("one");
    const [asked, copied] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const infisical: InfisicalClient = {
      ...fixture.infisical,
      findSecret: async (...place) => {
        const found = await fixture.infisical.findSecret(...place);
        asked.resolve();
        await copied.promise;
        return found;
      },
    };
    const { hybrid } = createStores({ database: fixture.database, infisical }, catalog);
    const removing = codeOf(hybrid.remove(inScope(acme), { secretKey: key }));
    await asked.promise;
    expect(await read(createStores(fixture, catalog))).toBe("one");
    copied.resolve();
    expect(await removing).toBe("no error");
    expect(await read(createStores(fixture, catalog))).toBeUndefined();
  });

  test("a copy is served while Infisical is unavailable or slow, and cached for a shorter time", async () => {
    await begin();
    await outside("one");
    await read();
    for (const fault of [{ kind: "answer", status: 503 }, { kind: "stalled-headers" }] as const) {
      fixture.emulator.faults.add(fault, { path: /CUSTOM_KEY/, times: 5 });
      const startedAt = performance.now();
      const found = await createStores(fixture, catalog).hybrid.find(acme, key);
      expect([found?.decrypt().reveal(), found?.version, found?.ttlMs]).toEqual(["one", 1, 10_000]);
      expect(performance.now() - startedAt).toBeLessThan(3000);
      fixture.emulator.faults.clear();
    }
  });

  test("a copy stays when Infisical loses the secret", async () => {
    await begin();
    await outside("one");
    await read();
    await fixture.infisical.deleteSecret(`/tenants/${acme.infisicalFolder}`, key);
    expect(await read(createStores(fixture, catalog))).toBe("one");
  });

  test("a copy never replaces a write that was made while Infisical was asked", async () => {
    for (let round = 0; round < 6; round++) {
      await begin();
      await outside("old");
      // In half of the rounds it is a copy already, and Infisical has a newer value for it.
      if (round % 2 === 1) {
        await read();
        await outside("newer");
      }
      const another = createStores(fixture, catalog);
      fixture.emulator.faults.add({ kind: "delay", durationMs: 200 }, { path: /CUSTOM_KEY/, method: "GET" });
      const reading = another.hybrid.find(acme, key);
      await stores.hybrid.write(inScope(acme), write(key, "ours", {}));
      await reading;
      // On a busy machine the copy may still be made before the write, and then counts as a version.
      expect([await read(), await head()]).toEqual(["ours", expect.stringMatching(/^written [123]$/)]);
    }
  });

  test("Infisical is not asked for a secret that was written or removed in the database", async () => {
    await begin();
    await outside("old");
    await outside("old", "CUSTOM_GONE");
    await read();
    await stores.hybrid.write(inScope(acme), write(key, "ours", {}));
    await stores.hybrid.remove(inScope(acme), { secretKey: "CUSTOM_GONE" });
    const another = createStores(fixture, catalog);
    const asked = () => fixture.emulator.requests().filter(({ path }) => path.includes("CUSTOM_"));
    const before = asked().length;
    expect([await read(another), await read(another, "CUSTOM_GONE")]).toEqual(["ours", undefined]);
    expect(asked()).toHaveLength(before);
  });
});

test("a secret that Infisical denies does not fail the secrets that are read with it", async () => {
  const company = await createCompany(fixture, "infisical");
  for (const name of ["A", "B", "C"]) await outside(name, `CUSTOM_${name}`, company);
  fixture.emulator.faults.add({ kind: "hidden-values" }, { path: /raw$|CUSTOM_B$/, times: 2 });
  const found = await Promise.all(
    ["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"].map((name) =>
      valueOf(stores.infisical.find(company, name)).catch(() => "refused"),
    ),
  );
  expect(found).toEqual(["A", "refused", "C"]);
});

test("several secrets of a folder in one turn are one list request, and a single secret is none", async () => {
  const company = await createCompany(fixture, "infisical");
  for (const name of ["A", "B", "C"]) await outside(name, `CUSTOM_${name}`, company);
  const before = fixture.emulator.requests().length;
  const names = ["CUSTOM_A", "CUSTOM_B", "CUSTOM_C", "CUSTOM_NONE", "CUSTOM_A"];
  const found = await Promise.all(names.map((name) => valueOf(stores.infisical.find(company, name))));
  expect(found).toEqual(["A", "B", "C", undefined, "A"]);
  await stores.infisical.find(company, "CUSTOM_A");
  const asked = fixture.emulator
    .requests()
    .slice(before)
    .map(({ path }) => path);
  expect(asked).toEqual(["/api/v3/secrets/raw", "/api/v3/secrets/raw/CUSTOM_A"]);
});
