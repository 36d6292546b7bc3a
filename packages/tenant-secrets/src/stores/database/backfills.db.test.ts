import type { Statements } from "@repo/db";
import { beforeEach, describe, expect, test } from "vitest";
import { Plaintext } from "@repo/envelope";
import { InfisicalError } from "@repo/infisical";
import { type SecretStoreName, TenantSecretsError } from "@repo/catalog";
import type { Company } from "../../companies/companies.ts";
import { codeOf, createFixture, operator } from "../../testing/fixture.ts";
import { createCompany, createStores, inScope, valueOf, write } from "../../testing/store-fixture.ts";
import type { Backfill, BackfillBatch } from "./port.ts";
import { createQuotas } from "./quotas.ts";

const fixture = await createFixture();
const { database } = createStores(fixture);

let acme: Company;
beforeEach(async () => {
  acme = await createCompany(fixture, "hybrid");
});

const key = "CUSTOM_KEY";
const copy = (secretKey: string, value: string, over?: number): Backfill => ({
  secretKey,
  plaintext: Plaintext.fromText(value),
  lastFour: value.slice(-4),
  over,
});
const backfill = (secrets: readonly Backfill[], options: Partial<BackfillBatch> = {}, company = acme) =>
  database.backfillMany(inScope(company), { origin: "infisical", secrets, ...options });
const read = (secretKey: string) => valueOf(database.find(acme, secretKey));
const many = (count: number, name = "CUSTOM_MANY", text = "fake-value") =>
  Array.from({ length: count }, (_, i) => copy(`${name}_${i}`, `${text}-${i}`));
const copiesOf = async ({ id } = acme) => [
  ...(await fixture.superuser`select secret_key, version from audit_events
    where company_id = ${id} and action = 'secret.backfill' and outcome = 'success'`),
];

describe("many copies", () => {
  test.for<SecretStoreName>(["infisical", "hybrid", "database"])(
    "are the first versions of their secrets in a company on %s, with an event for each",
    async (store) => {
      acme = await createCompany(fixture, store);
      const results = await backfill(many(200));
      expect(results).toEqual(many(200).map(({ secretKey }) => ({ secretKey, version: 1 })));
      for (const i of [0, 9, 10, 199]) expect(await read(`CUSTOM_MANY_${i}`)).toBe(`fake-value-${i}`);
      expect(await copiesOf()).toHaveLength(200);
      const { versions } = await database.versions.history(acme, { secretKey: "CUSTOM_MANY_7" });
      expect(versions).toMatchObject([{ version: 1, stage: "current", lastFour: "ue-7", note: undefined }]);
    },
  );

  test("take the place of untouched copies, and of nothing else that the database knows", async () => {
    await backfill([copy("CUSTOM_OLD", "old"), copy("CUSTOM_TAKEN", "old"), copy("CUSTOM_SAME", "old")]);
    await database.write(inScope(acme), write("CUSTOM_TAKEN", "ours", {}));
    await database.write(inScope(acme), write("CUSTOM_OURS", "ours", {}));
    await database.write(inScope(acme), write("CUSTOM_GONE", "ours", {}));
    await database.remove(inScope(acme), { secretKey: "CUSTOM_GONE" });
    const results = await backfill([
      copy("CUSTOM_TAKEN", "newer", 1),
      copy("CUSTOM_NEW", "new", 3),
      copy("CUSTOM_OLD", "newer", 1),
      copy("CUSTOM_SAME", "newer"),
      copy("CUSTOM_OURS", "newer", 1),
      copy("CUSTOM_GONE", "newer", 1),
    ]);
    expect(results.map(({ secretKey, version }) => `${secretKey} ${version}`)).toEqual([
      "CUSTOM_TAKEN undefined",
      "CUSTOM_NEW 1",
      "CUSTOM_OLD 2",
      "CUSTOM_SAME undefined",
      "CUSTOM_OURS undefined",
      "CUSTOM_GONE undefined",
    ]);
    const values = await Promise.all(
      ["TAKEN", "NEW", "OLD", "SAME", "OURS", "GONE"].map((name) => read(`CUSTOM_${name}`)),
    );
    expect(values).toEqual(["ours", "new", "newer", "old", "ours", undefined]);
    expect(await copiesOf()).toHaveLength(5);
    const { versions } = await database.versions.history(acme, { secretKey: "CUSTOM_OLD" });
    expect(versions).toMatchObject([{ version: 2, stage: "current" }, { version: 1 }]);
    const restored = await database.versions.rollback(inScope(acme), {
      secretKey: "CUSTOM_OLD",
      toVersion: 1,
    });
    expect([restored, await read("CUSTOM_OLD")]).toEqual([{ version: 3 }, "old"]);
  });

  test("leave a pending version pending, and come after it", async () => {
    await backfill([copy(key, "one")]);
    await database.versions.stage(inScope(acme), write(key, "two", {}));
    expect(await backfill([copy(key, "three", 1)])).toEqual([{ secretKey: key, version: 3 }]);
    expect(await database.versions.promote(inScope(acme), { secretKey: key })).toEqual({ version: 2 });
    expect(await read(key)).toBe("two");
  });

  test("with a change in Infisical whose outcome is unknown are reported, and the others are made", async () => {
    acme = await createCompany(fixture, "infisical");
    const open = inScope(acme);
    const putSoleSecret = () => Promise.reject(new InfisicalError("AMBIGUOUS"));
    const cutOff = createStores({ ...fixture, infisical: { ...fixture.infisical, putSoleSecret } });
    expect(await codeOf(cutOff.infisical.write(open, write("CUSTOM_OPEN", "new", {})))).toBe(
      "STORE_UNAVAILABLE",
    );
    expect(await backfill([copy("CUSTOM_OPEN", "old"), copy(key, "old")])).toEqual([
      { secretKey: "CUSTOM_OPEN", version: undefined, unsettled: true },
      { secretKey: key, version: 1 },
    ]);
    const { plaintext, lastFour } = copy("CUSTOM_OPEN", "old");
    const one = { secretKey: "CUSTOM_OPEN", plaintext, lastFour, origin: "infisical" } as const;
    expect(await codeOf(database.backfill(open, one))).toBe("CONFLICT");
    expect([await read("CUSTOM_OPEN"), await copiesOf()]).toEqual([
      undefined,
      [{ secret_key: key, version: 1 }],
    ]);
  });

  test("are refused by a full quota as a whole, and leave its room as it was", async () => {
    const quotas = createQuotas(fixture.database, { secrets: 5 });
    const small = createStores({ ...fixture, quotas }).database;
    const put = (secrets: readonly Backfill[]) =>
      small.backfillMany(inScope(acme), { origin: "infisical", secrets });
    expect(await codeOf(put(many(6)))).toBe("NOT_SUPPORTED");
    expect(await copiesOf()).toEqual([]);
    expect(await codeOf(put(many(5)))).toBe("no error");
    expect(await codeOf(put([copy(key, "fake")]))).toBe("NOT_SUPPORTED");
  });
});

describe("what a call takes", () => {
  const refused = async (secrets: readonly Backfill[]): Promise<string> => {
    const refusal: unknown = await backfill(secrets).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(TypeError);
    return String(refusal);
  };

  test("200 secrets, each once, and 4 MiB of values, of 65,536 bytes at most", async () => {
    expect(await refused(many(201))).toContain("200 secrets");
    expect(await refused([copy(key, "one"), copy(key, "two")])).toContain("each secret once");
    const large = Array.from({ length: 64 }, (_, i) => copy(`CUSTOM_LARGE_${i}`, "x".repeat(65_536)));
    expect(await refused([...large, copy(key, "x")])).toContain("4194304 bytes");
    expect(await refused([copy(key, "x".repeat(65_537))])).toContain("1 to 65536 bytes");
    expect(await refused([copy(key, "")])).toContain("1 to 65536 bytes");
    expect(await backfill([])).toEqual([]);
    expect(await backfill(large)).toHaveLength(64);
    expect(await read("CUSTOM_LARGE_63")).toBe("x".repeat(65_536));
  });

  test("names of secret keys alone, whatever they mean to JavaScript", async () => {
    for (const name of ["__proto__", "A.B", "Ä", "x".repeat(101), ""])
      expect(await refused([copy(name, "fake"), copy(key, "fake")])).toContain("secret keys");
    const names = ["constructor", "prototype", "toString", "valueOf", "hasOwnProperty"];
    expect(await backfill(names.map((name) => copy(name, `fake ${name}`)))).toEqual(
      names.map((secretKey) => ({ secretKey, version: 1 })),
    );
    for (const name of names) expect(await read(name)).toBe(`fake ${name}`);
    expect(await copiesOf()).toHaveLength(names.length);
  });
});

describe("the transaction", () => {
  const isStatement: ReadonlySet<string | symbol> = new Set([
    "select",
    "insert",
    "update",
    "delete",
    "execute",
  ]);
  /** Counts the statements of a transaction. */
  const counted = async (secrets: readonly Backfill[]): Promise<number> => {
    let count = 0;
    const counting = (statements: Statements): Statements =>
      new Proxy(statements, {
        get: (target, name) => {
          if (isStatement.has(name)) count++;
          return Reflect.get(target, name);
        },
      });
    await backfill(secrets, {
      transact: (work) => fixture.database.inCompany(acme.id, (statements) => work(counting(statements))),
    });
    return count;
  };

  test("has as many statements for 200 secrets as for two", async () => {
    await backfill([...many(3, "CUSTOM_FEW"), ...many(150)]);
    const over = (secrets: readonly Backfill[]) => secrets.map((each) => ({ ...each, over: 1 }));
    const few = await counted([...over(many(1, "CUSTOM_FEW", "fake-newer")), copy("CUSTOM_ONE", "fake")]);
    expect(await counted([...over(many(150, undefined, "fake-newer")), ...many(50, "CUSTOM_MORE")])).toBe(
      few,
    );
    expect(await read("CUSTOM_MANY_149")).toBe("fake-newer-149");
  });

  test("can be the caller's, whose own statements it commits or loses with", async () => {
    const secrets = many(3);
    const conflict = new TenantSecretsError("CONFLICT", "The caller's own statements failed.");
    const work =
      (fails: boolean): BackfillBatch["transact"] =>
      (copying) =>
        fixture.database.inCompany(acme.id, async (statements) => {
          const results = await copying(statements);
          if (fails) throw conflict;
          return results;
        });
    await expect(backfill(secrets, { transact: work(true) })).rejects.toBe(conflict);
    expect([await copiesOf(), await read("CUSTOM_MANY_0")]).toEqual([[], undefined]);
    expect(await backfill(secrets, { transact: work(false) })).toHaveLength(3);
    expect(await copiesOf()).toHaveLength(3);
  });

  test("is refused under another store, and while another run holds the store", async () => {
    const holder = crypto.randomUUID();
    await fixture.superuser`insert into store_holds (company_id, run, until)
      values (${acme.id}, ${holder}, clock_timestamp() + interval '1 hour')`;
    const at = (secretKey: string, options: Partial<BackfillBatch>) =>
      codeOf(backfill([copy(secretKey, "fake")], { waits: false, ...options }));
    expect(await at("CUSTOM_A", {})).toBe("STORE_UNAVAILABLE");
    expect(await at("CUSTOM_B", { holder: crypto.randomUUID() })).toBe("STORE_UNAVAILABLE");
    expect(await at("CUSTOM_C", { holder })).toBe("no error");
    acme = { ...acme, storeEpoch: acme.storeEpoch + 1 };
    expect(await at("CUSTOM_D", { holder })).toBe("CONFLICT");
    expect(await copiesOf()).toEqual([{ secret_key: "CUSTOM_C", version: 1 }]);
  });

  test("begins again under the new key where the company's key was rotated meanwhile", async () => {
    await backfill(many(2));
    let attempts = 0;
    const results = await backfill([copy("CUSTOM_NEW", "new"), copy("CUSTOM_MANY_0", "newer", 1)], {
      transact: async (work) => {
        if (attempts++ === 0) {
          await fixture.secrets.companyKeyRotation.rotateCompanyKey(operator, acme.subdomain);
        }
        return fixture.database.inCompany(acme.id, work);
      },
    });
    expect([attempts, results.map(({ version }) => version)]).toEqual([2, [1, 2]]);
    const after = createStores(fixture).database;
    expect(await valueOf(after.find(acme, "CUSTOM_NEW"))).toBe("new");
    expect(await valueOf(after.find(acme, "CUSTOM_MANY_0"))).toBe("newer");
    expect(await copiesOf()).toHaveLength(4);
  });

  test("makes nothing in a company that is shredded before it, or that was", async () => {
    const shredded = backfill(many(2), {
      transact: async (work) => {
        await fixture.secrets.shredding.shred(operator, acme.subdomain, { backupsKeptDays: 30 });
        return fixture.database.inCompany(acme.id, work);
      },
    });
    expect(await codeOf(shredded)).not.toBe("no error");
    expect(await codeOf(backfill(many(2)))).toBe("KEY_DESTROYED");
    expect(await fixture.superuser`select from company_secrets where company_id = ${acme.id}`).toEqual([]);
    expect(await copiesOf()).toEqual([]);
  });
});

test("50 writers and copies of the same 20 secrets at once end with the last write, gapless versions and an event for each", async () => {
  await backfill(many(20));
  const processes = Array.from({ length: 5 }, () => createStores(fixture).database);
  const names = many(20).map(({ secretKey }) => secretKey);
  await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const store = processes[i % processes.length] ?? database;
      if (i % 5 === 0) {
        const writes = names.map((name) => write(name, `written ${i}`, {}));
        return store.batches.writeMany(inScope(acme), { writes });
      }
      if (i % 5 === 1) return store.write(inScope(acme), write(names[i % 20] ?? key, `written ${i}`, {}));
      // In turns from the front and from the back, and over any of the versions that can be current.
      const secrets = [
        ...names.map((name) => copy(name, `copied ${i}`, 1 + (i % 3))),
        copy(`CUSTOM_NEW_${i % 7}`, "new"),
      ];
      return store.backfillMany(inScope(acme), {
        origin: "infisical",
        secrets: i % 2 === 0 ? secrets : secrets.toReversed(),
      });
    }),
  );
  const rows = await fixture.superuser`
    select h.secret_key, h.origin, h.last_version, h.current_version,
      (select count(*)::int from company_secret_versions v where v.company_id = h.company_id and v.secret_key = h.secret_key) as versions,
      (select count(*)::int from audit_events e where e.company_id = h.company_id and e.secret_key = h.secret_key
        and e.action in ('secret.write', 'secret.backfill') and e.outcome = 'success') as events
    from company_secrets h where h.company_id = ${acme.id}`;
  expect(rows).toHaveLength(27);
  for (const row of rows) {
    const { last_version: last } = row;
    expect(row).toMatchObject({ versions: last, events: last, current_version: last });
    const isNew = String(row["secret_key"]).startsWith("CUSTOM_NEW");
    expect(row["origin"]).toBe(isNew ? "infisical" : "written");
    expect(await read(String(row["secret_key"]))).toMatch(isNew ? /^new$/ : /^written \d+$/);
  }
});

describe("a copy of a secret that was removed", () => {
  /** As a change of the store to Infisical leaves what Infisical does not have either. */
  const isAbsentInInfisical = async (secretKey: string): Promise<void> => {
    await fixture.superuser`update company_secrets set origin = 'infisical'
      where company_id = ${acme.id} and secret_key = ${secretKey} and deleted_at is not null`;
    await fixture.remacHeads();
  };
  const removed = async (secretKey: string, value?: string): Promise<void> => {
    if (value === undefined) {
      await database.createTombstone(inScope(acme), { secretKey });
    } else {
      await database.write(inScope(acme), write(secretKey, value, {}));
      await database.remove(inScope(acme), { secretKey });
    }
  };

  test("is made where Infisical did not have it either when the company went back there", async () => {
    await database.write(inScope(acme), write("CUSTOM_OURS", "ours", {}));
    await database.versions.stage(inScope(acme), write("CUSTOM_OURS", "pending", {}));
    await database.remove(inScope(acme), { secretKey: "CUSTOM_OURS" });
    await removed("CUSTOM_NEVER");
    await removed("CUSTOM_PURGED", "ours");
    await database.versions.purge(inScope(acme), { secretKey: "CUSTOM_PURGED" });
    const names = ["CUSTOM_OURS", "CUSTOM_NEVER", "CUSTOM_PURGED"];
    for (const name of names) await isAbsentInInfisical(name);
    const results = await backfill(names.map((name) => copy(name, "made there since")));
    expect(results.map(({ version }) => version)).toEqual([3, 1, 2]);
    for (const name of names) expect(await read(name)).toBe("made there since");
    expect(await copiesOf()).toHaveLength(3);
    expect(await backfill([copy("CUSTOM_OURS", "newer", 3)])).toMatchObject([{ version: 4 }]);
  });

  test("is not made where it was removed here, whatever Infisical has, nor from another place", async () => {
    await removed("CUSTOM_OURS", "ours");
    await removed("CUSTOM_NEVER");
    await backfill([copy("CUSTOM_COPY", "copied"), copy("CUSTOM_PURGED", "copied")]);
    await database.remove(inScope(acme), { secretKey: "CUSTOM_COPY" });
    await database.versions.purge(inScope(acme), { secretKey: "CUSTOM_PURGED", force: true });
    await removed("CUSTOM_ABSENT", "ours");
    await isAbsentInInfisical("CUSTOM_ABSENT");
    const names = ["CUSTOM_OURS", "CUSTOM_NEVER", "CUSTOM_COPY", "CUSTOM_PURGED"];
    const old = names.map((name) => copy(name, "old", 1));
    expect((await backfill(old)).map(({ version }) => version)).toEqual(names.map(() => undefined));
    expect(await backfill([copy("CUSTOM_ABSENT", "old")], { origin: "legacy" })).toMatchObject([
      { version: undefined },
    ]);
    for (const name of [...names, "CUSTOM_ABSENT"]) expect(await read(name)).toBeUndefined();
  });

  test("is read from Infisical by a hybrid company, listed, and removed for good by another removal", async () => {
    const { hybrid } = createStores(fixture);
    const outside = (name: string) =>
      fixture.infisical.putSecret(`/tenants/${acme.infisicalFolder}`, name, "made there since");
    for (const name of ["CUSTOM_READ", "CUSTOM_REMOVED"]) {
      await removed(name, "ours");
      await isAbsentInInfisical(name);
      await outside(name);
    }
    expect((await hybrid.list(acme)).secrets.map(({ secretKey }) => secretKey)).toEqual([
      "CUSTOM_READ",
      "CUSTOM_REMOVED",
    ]);
    expect(await valueOf(hybrid.find(acme, "CUSTOM_READ"))).toBe("made there since");
    await hybrid.remove(inScope(acme), { secretKey: "CUSTOM_REMOVED" });
    expect(await valueOf(hybrid.find(acme, "CUSTOM_REMOVED"))).toBeUndefined();
    expect((await hybrid.list(acme)).secrets.map(({ secretKey }) => secretKey)).toEqual(["CUSTOM_READ"]);
    // What it had here before can still be restored, and does not follow Infisical then.
    expect(await hybrid.versions.restore(inScope(acme), { secretKey: "CUSTOM_REMOVED" })).toEqual({
      version: 1,
    });
    expect(await valueOf(createStores(fixture).hybrid.find(acme, "CUSTOM_REMOVED"))).toBe("ours");
  });

  test("is not followed by a value that is restored", async () => {
    const { hybrid } = createStores(fixture);
    await removed(key, "ours");
    await isAbsentInInfisical(key);
    await hybrid.versions.restore(inScope(acme), { secretKey: key });
    await fixture.infisical.putSecret(`/tenants/${acme.infisicalFolder}`, key, "made there since");
    expect(await valueOf(hybrid.find(acme, key))).toBe("ours");
  });
});
