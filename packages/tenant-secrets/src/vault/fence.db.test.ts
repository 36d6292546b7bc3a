import { connectDatabase, type Database } from "@repo/db";
import { whenDone } from "@repo/db/testing";
import postgres from "postgres";
import { beforeAll, describe, expect, test, vi } from "vitest";
import type { SecretStoreName } from "@repo/catalog";
import type { Company } from "../companies/companies.ts";
import { codeOf, createFixture, product, type Fixture } from "../testing/fixture.ts";
import {
  createCompany,
  createStores,
  valueOf,
  write,
  type Stores,
  inScope,
} from "../testing/store-fixture.ts";

const key = "CUSTOM_KEY";
let fixture: Fixture;
let stores: Stores;

beforeAll(async () => {
  fixture = await createFixture();
  stores = createStores(fixture);
});

const setStore = (subdomain: string, to: SecretStoreName) =>
  fixture.superuser.begin((sql) => fixture.setStore(sql, subdomain, to));

/** Changes a company's store as soon as `writer` waits for its lock. */
async function changeBefore<T>(
  subdomain: string,
  to: SecretStoreName,
  {
    writer,
    also = async () => {},
  }: { readonly writer: () => Promise<T>; readonly also?: (sql: postgres.ISql) => Promise<void> },
): Promise<T> {
  const writing = Promise.withResolvers<T>();
  await fixture.superuser.begin(async (sql) => {
    await sql`select pg_advisory_xact_lock(hashtextextended('company ' || id, 0)) from companies where subdomain = ${subdomain}`;
    writing.resolve(writer());
    writing.promise.catch(() => {});
    await vi.waitFor(
      async () => {
        expect(await sql`select from pg_locks where locktype = 'advisory' and not granted`).toHaveLength(1);
      },
      { timeout: 60_000 },
    );
    await fixture.setStore(sql, subdomain, to);
    await also(sql);
  });
  return writing.promise;
}

const hold = (company: Company, seconds: number) =>
  fixture.superuser`insert into store_holds (company_id, run, until)
    values (${company.id}, gen_random_uuid(), clock_timestamp() + make_interval(secs => ${seconds}))
    on conflict (company_id) do update set until = excluded.until`;

describe("a write that waits while its company's store changes", () => {
  const directions: readonly (readonly [SecretStoreName, SecretStoreName])[] = [
    ["database", "infisical"],
    ["hybrid", "infisical"],
    ["database", "hybrid"],
    ["infisical", "database"],
    ["infisical", "hybrid"],
  ];

  test.for(directions)("from %s to %s lands in the new one, and is read there", async ([from, to]) => {
    const subdomain = await fixture.company(from);
    const secrets = fixture.secrets.company(subdomain, product);
    await secrets.set(key, "one");
    await changeBefore(subdomain, to, { writer: () => secrets.set(key, "two") });
    expect(await secrets.get(key)).toBe("two");
    expect(await fixture.another().company(subdomain, product).get(key)).toBe("two");
  });

  test("a write that is retried under the new store is audited as a success once", async () => {
    const subdomain = await fixture.company("database");
    const secrets = fixture.secrets.company(subdomain, product);
    await changeBefore(subdomain, "hybrid", { writer: () => secrets.set(key, "one") });
    const events = await fixture.superuser`select outcome from audit_events
      where action = 'secret.write' and company_id = (select id from companies where subdomain = ${subdomain})`;
    expect(events.map(({ outcome }) => outcome)).toEqual(["success"]);
  });

  test("a removal that is retried removes the secret from the new store", async () => {
    const subdomain = await fixture.company("database");
    const secrets = fixture.secrets.company(subdomain, product);
    await secrets.set(key, "one");
    await fixture.infisical.putSecret(`/tenants/${subdomain}`, key, "outside");
    await changeBefore(subdomain, "infisical", { writer: () => secrets.remove(key) });
    expect(await secrets.find(key)).toBeUndefined();
    expect(await fixture.infisical.findSecret(`/tenants/${subdomain}`, key)).toBeUndefined();
  });

  test("an operation that the new store does not support is refused and writes nothing", async () => {
    const subdomain = await fixture.company("database");
    const secrets = fixture.secrets.company(subdomain, product);
    const writing = changeBefore(subdomain, "infisical", {
      writer: () => secrets.set(key, "one", { expectedVersion: 0 }),
    });
    expect(await codeOf(writing)).toBe("NOT_SUPPORTED");
    expect(await secrets.find(key)).toBeUndefined();
  });

  test("a write ends in CONFLICT if the store changes before each of its three attempts", async () => {
    const subdomain = await fixture.company("hybrid");
    const opened = connectDatabase({
      applicationUrl: fixture.urls.application,
      maintenanceUrl: fixture.urls.maintenance,
    });
    whenDone(() => opened.close());
    let changes = 0;
    const database: Database = {
      ...opened,
      inCompany: async (companyId, work) => {
        changes += 1;
        await setStore(subdomain, changes % 2 === 1 ? "database" : "hybrid");
        return opened.inCompany(companyId, work);
      },
    };
    const secrets = fixture.another({ database }).company(subdomain, product);
    expect(await codeOf(secrets.set(key, "one"))).toBe("CONFLICT");
    expect(changes).toBeGreaterThanOrEqual(3);
    expect(await secrets.find(key)).toBeUndefined();
  });

  test("a write reaches the same company after a rename, even if another company has taken its name", async () => {
    const company = await createCompany(fixture, "database");
    const { subdomain } = company;
    const secrets = fixture.secrets.company(subdomain, product);
    await changeBefore(subdomain, "hybrid", {
      writer: () => secrets.set(key, "one"),
      also: async (sql) => {
        await sql`update companies set subdomain = ${`${subdomain}-new`} where id = ${company.id}`;
        await sql`insert into companies (subdomain, infisical_folder, secret_store, revision, mac_key_version, mac)
          values (${subdomain}, ${`${subdomain}-2`}, 'hybrid', 1, 1, '')`;
        await fixture.remacCompanies(sql);
      },
    });
    expect(await fixture.secrets.company(`${subdomain}-new`, product).get(key)).toBe("one");
    expect(await secrets.find(key)).toBeUndefined();
  });
});

describe("a process with a stale view of a company's store", () => {
  test("a stale process does what only the new store supports, and refuses what only the old one did", async () => {
    const subdomain = await fixture.company("infisical");
    const stale = fixture.another();
    const serving = await stale.serve(fixture.urls.listener, () => {});
    whenDone(() => serving.stop());
    const secrets = stale.company(subdomain, product);
    await secrets.list();
    await fixture.superuser`alter table companies disable trigger notify_update`;
    try {
      await setStore(subdomain, "database");
      expect(await secrets.set(key, "one", { expectedVersion: 0, note: "the new one can" })).toEqual({
        version: 1,
      });
    } finally {
      await fixture.superuser`alter table companies enable trigger notify_update`;
    }
    expect(await fixture.secrets.company(subdomain, product).get(key)).toBe("one");
  });

  test("a stale process changes nothing in the old store, by any operation", async () => {
    const company = await createCompany(fixture, "database");
    const { database } = stores;
    await database.write(inScope(company), write(key, "one", {}));
    await database.write(inScope(company), write(key, "two", {}));
    await database.versions.stage(inScope(company), write(key, "three", {}));
    await setStore(company.subdomain, "hybrid");
    const changed = () =>
      fixture.superuser`select * from company_secrets where company_id = ${company.id}`.then((rows) => [
        ...rows,
      ]);
    const before = await changed();
    const backfill = { ...write("CUSTOM_OTHER", "four", {}), origin: "infisical" } as const;
    const ways: readonly (() => Promise<unknown>)[] = [
      () => database.write(inScope(company), write(key, "five", {})),
      () => database.batches.writeMany(inScope(company), { writes: [write(key, "five", {})] }),
      () => database.versions.stage(inScope(company), write(key, "five", { replace: true })),
      () => database.versions.promote(inScope(company), { secretKey: key }),
      () => database.versions.discard(inScope(company), { secretKey: key }),
      () => database.versions.rollback(inScope(company), { secretKey: key, toVersion: 1 }),
      () => database.remove(inScope(company), { secretKey: key }),
      () => database.createTombstone(inScope(company), { secretKey: "CUSTOM_OTHER" }),
      () => database.versions.restore(inScope(company), { secretKey: key }),
      () => database.versions.purge(inScope(company), { secretKey: key, force: true }),
      () => database.versions.setExpiry(inScope(company), { secretKey: key, expiresAt: new Date() }),
      () => database.checks.recordCheck(inScope(company), { secretKey: key, version: 2, result: "accepted" }),
      () => database.backfill(inScope(company), backfill),
    ];
    for (const way of ways) expect(await codeOf(way()), String(way)).toBe("CONFLICT");
    expect(await changed()).toEqual(before);
  });

  test("a stale process serves values that exist only in Infisical, and backfills none", async () => {
    const company = await createCompany(fixture, "hybrid");
    await fixture.infisical.putSecret(`/tenants/${company.subdomain}`, key, "outside");
    await setStore(company.subdomain, "infisical");
    expect(await valueOf(stores.hybrid.find(company, key))).toBe("outside");
    expect(await stores.database.lookup(company, key)).toEqual({ state: "unknown" });
  });
});

describe("changing a company's store", () => {
  test("a store change blocks writes but not reads, and prevents backfills", async () => {
    const company = await createCompany(fixture, "hybrid");
    const secrets = fixture.secrets.company(company.subdomain, product);
    await secrets.set(key, "one");
    await fixture.infisical.putSecret(`/tenants/${company.subdomain}`, "CUSTOM_OTHER", "outside");
    await hold(company, 3600);
    let isWritten = false;
    const writing = secrets.set(key, "two").finally(() => (isWritten = true));
    expect(await secrets.get(key)).toBe("one");
    expect(await secrets.get("CUSTOM_OTHER")).toBe("outside");
    expect(await stores.database.lookup(company, "CUSTOM_OTHER")).toEqual({ state: "unknown" });
    expect(isWritten).toBe(false);
    await hold(company, 0);
    expect(await writing).toEqual({ version: 2 });
    expect(await secrets.get(key)).toBe("two");
  });

  test(
    "a write waits at most ten seconds for a store change, then fails as retryable",
    { timeout: 60_000 },
    async () => {
      const company = await createCompany(fixture, "database");
      await hold(company, 3600);
      const startedAt = performance.now();
      const writing = fixture.secrets.company(company.subdomain, product).set(key, "one");
      await expect(writing).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", retryAfterMs: 1000 });
      expect(performance.now() - startedAt).toBeGreaterThan(9_900);
    },
  );
});

test("a store changes only together with its epoch and during a hold, and the application role can change neither store nor hold", async () => {
  const company = await createCompany(fixture, "database");
  const asRole = async (url: string, statement: (sql: postgres.Sql) => Promise<unknown>) => {
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    try {
      return await codeOf(statement(sql));
    } finally {
      await sql.end();
    }
  };
  const { application, maintenance } = fixture.urls;
  for (const url of [maintenance, application]) {
    const code = await asRole(
      url,
      (sql) => sql`update companies set secret_store = 'infisical' where id = ${company.id}`,
    );
    expect(code).toBe(url === maintenance ? "23000" : "42501");
    const together = await asRole(
      url,
      (sql) =>
        sql`update companies set secret_store = 'infisical', store_epoch = store_epoch + 1 where id = ${company.id}`,
    );
    expect(together).toBe(url === maintenance ? "23000" : "42501");
  }
  expect(
    await asRole(maintenance, (sql) => sql`update companies set store_epoch = 7 where id = ${company.id}`),
  ).toBe("23000");
  expect(
    await asRole(
      application,
      (sql) => sql`insert into store_holds values (${company.id}, ${company.id}, now())`,
    ),
  ).toBe("42501");
  expect(await asRole(application, (sql) => sql`delete from store_holds`)).toBe("42501");
});
