import { setTimeout as sleep } from "node:timers/promises";
import { createInfisicalClient, type BulkClient } from "@repo/infisical";
import { beforeAll, describe, expect, test } from "vitest";
import type { CompanyMigration } from "@repo/catalog";
import { codeOf, createFixture, operator, product, type Fixture } from "../testing/fixture.ts";
import { putByHand } from "../testing/store-fixture.ts";
import {
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

const handle = (subdomain: string, secrets = fixture.secrets) => secrets.company(subdomain, product);
const folderOf = (subdomain: string) => `/tenants/${subdomain}`;
const storeOf = async (subdomain: string) =>
  (await fixture.secrets.companies.get(operator, subdomain)).secretStore;
const codesOf = ({ result }: CompanyMigration) =>
  (result?.findings ?? []).map(({ code, secretKey }) =>
    secretKey === undefined ? code : `${code} ${secretKey}`,
  );

async function companyWith(names: readonly string[]): Promise<string> {
  const subdomain = await fixture.company("infisical");
  for (const name of names)
    await fixture.infisical.putSecret(folderOf(subdomain), name, `fake-${subdomain}-${name}`);
  return subdomain;
}

async function only<T>(result: Promise<{ readonly companies: readonly T[] }>): Promise<T> {
  const [company] = (await result).companies;
  if (company === undefined) throw new Error("one company was migrated");
  return company;
}

/** Another process, whose bulk calls do something else first. */
function processWith(before: Partial<Record<keyof BulkClient, () => Promise<unknown>>>): Fixture["secrets"] {
  const real = createInfisicalClient({ ...fixture.emulator, environment: "dev" });
  const bulk = real.bulk();
  const around =
    <Input extends readonly unknown[], Output>(
      name: keyof BulkClient,
      call: (...input: Input) => Promise<Output>,
    ) =>
    async (...input: Input): Promise<Output> => {
      await before[name]?.();
      return call(...input);
    };
  return fixture.another({
    infisical: {
      ...real,
      bulk: () => ({
        ...bulk,
        survey: around("survey", (path: string) => bulk.survey(path)),
        putSoleSecret: around("putSoleSecret", (path: string, name: string, value: string) =>
          bulk.putSoleSecret(path, name, value),
        ),
      }),
    },
  });
}

describe("what is found in a folder", () => {
  test("names, values and secrets that cannot move block their company, and are named", async () => {
    const company = await companyWith(["CUSTOM_A"]);
    const seed = (name: string, value: string) => putByHand(fixture, company, { name, value });
    await seed("__proto__", "fake-proto");
    await seed("A.B", "fake-dot");
    await seed("NOT_IN_THE_CATALOGUE", "fake-unknown");
    await seed("CUSTOM_EMPTY", "");
    await seed("CUSTOM_LARGE", "x".repeat(65_537));
    await seed("CUSTOM_FITS", "x".repeat(65_536));
    await seed("STRIPE_SECRET_KEY", "fake-not-a-stripe-key");
    await seed("CUSTOM_REFERENCE", "${CUSTOM_A}");
    const found = await only(migrator.migrate([company], plan));
    expect(found.state).toBe("blocked");
    expect(codesOf(found).toSorted()).toEqual([
      "EMPTY CUSTOM_EMPTY",
      "NAME_REFUSED A.B",
      "NAME_REFUSED __proto__",
      "NOT_LISTED NOT_IN_THE_CATALOGUE",
      "REFERENCE CUSTOM_REFERENCE",
      "TOO_LARGE CUSTOM_LARGE",
      "VALUE_REFUSED STRIPE_SECRET_KEY",
    ]);
    const refused = await only(migrator.migrate([company], toHybrid));
    expect([refused.state, await storeOf(company)]).toEqual(["blocked", "infisical"]);
    const leave = [
      "CUSTOM_EMPTY",
      "A.B",
      "__proto__",
      "NOT_IN_THE_CATALOGUE",
      "CUSTOM_LARGE",
      "STRIPE_SECRET_KEY",
    ];
    const moved = await only(migrator.migrate([company], { ...toDatabase, leave }));
    expect([moved.state, moved.result?.moved, await storeOf(company)]).toEqual(["done", 3, "database"]);
    expect(await handle(company).get("CUSTOM_REFERENCE")).toBe("${CUSTOM_A}");
    expect(await handle(company).get("CUSTOM_FITS")).toHaveLength(65_536);
  });

  test("a planted difference is named by its secret key, and its value is in no table and no report", async () => {
    const company = await companyWith(["CUSTOM_A", "CUSTOM_B"]);
    await migrator.migrate([company], copy);
    const canary = "fake-CANARY-of-a-difference";
    await fixture.infisical.putSecret(folderOf(company), "CUSTOM_B", canary);
    const { run, companies } = await migrator.migrate([company], verify);
    expect(companies[0]).toMatchObject({
      state: "blocked",
      result: { counts: { equal: 1, newerInFolder: 1 } },
    });
    const rows = await fixture.superuser`
      select r::text as row from migration_companies r union all select r::text from runs r union all select r::text from folder_entries r
      union all select r::text from audit_events r`;
    expect(JSON.stringify(rows)).not.toContain("CANARY");
    expect(JSON.stringify(await fixture.secrets.migrations.findReport(operator, run))).not.toContain(
      "CANARY",
    );
  });

  test(
    "an empty answer for a folder that had secrets is not taken for their removal",
    { timeout: 180_000 },
    async () => {
      const company = await companyWith(["CUSTOM_A", "CUSTOM_B"]);
      await migrator.migrate([company], copy);
      await fixture.infisical.deleteFolder(folderOf(company));
      await fixture.infisical.createFolder(folderOf(company));
      const found = await only(migrator.migrate([company], copy));
      expect([found.state, codesOf(found)]).toEqual(["blocked", ["FOLDER_EMPTY"]]);
      const rows =
        await fixture.superuser`select from company_secrets h join companies c on c.id = h.company_id
      where c.subdomain = ${company} and h.secret_value_encrypted is not null`;
      expect(rows).toHaveLength(2);
    },
  );
});

describe("while a store changes", () => {
  test("a write that waits is answered once, and lands in the new store", { timeout: 180_000 }, async () => {
    const company = await companyWith(["CUSTOM_A"]);
    const writing: Promise<unknown>[] = [];
    let surveys = 0;
    const secrets = processWith({
      // The first copies, the second compares what was copied, and the third is while writes are held.
      survey: async () => {
        surveys += 1;
        if (surveys !== 3) return;
        writing.push(handle(company).set("CUSTOM_A", "fake-while-held"));
        await sleep(300);
      },
    });
    const moved = await only(createMigrator({ secrets }).migrate([company], toDatabase));
    expect(moved.state).toBe("done");
    await Promise.all(writing);
    expect(writing).toHaveLength(1);
    expect(await handle(company).get("CUSTOM_A")).toBe("fake-while-held");
    const found = await fixture.infisical.findSecret(folderOf(company), "CUSTOM_A");
    expect(found?.value).toBe(`fake-${company}-CUSTOM_A`);
  });

  test(
    "an edit in Infisical during the hold is taken, or the company stays where it was",
    { timeout: 180_000 },
    async () => {
      const company = await companyWith(["CUSTOM_A", "CUSTOM_B"]);
      let surveys = 0;
      const secrets = processWith({
        survey: async () => {
          surveys += 1;
          if (surveys === 3) await fixture.infisical.putSecret(folderOf(company), "CUSTOM_A", "fake-edited");
          if (surveys === 4) await fixture.infisical.deleteSecret(folderOf(company), "CUSTOM_B");
        },
      });
      const moved = await only(createMigrator({ secrets }).migrate([company], toDatabase));
      expect([moved.state, await storeOf(company)]).toEqual(["done", "database"]);
      expect(await handle(company).get("CUSTOM_A")).toBe("fake-edited");
      expect(await codeOf(handle(company).get("CUSTOM_B"))).toBe("NOT_FOUND");
    },
  );

  test("four writers lose no acknowledged write through three changes", { timeout: 240_000 }, async () => {
    const company = await companyWith(["CUSTOM_A"]);
    const last = new Map<`CUSTOM_${string}`, string>();
    const over = new AbortController();
    const write = async (secretKey: `CUSTOM_${string}`): Promise<void> => {
      for (let i = 1; !over.signal.aborted; i += 1) {
        const value = `fake-${secretKey}-${i}`;
        if (
          (await codeOf(
            handle(company)
              .set(secretKey, value)
              .then(() => last.set(secretKey, value)),
          )) !== "no error"
        )
          await sleep(50);
        await sleep(20);
      }
    };
    const writers = (["CUSTOM_W1", "CUSTOM_W2", "CUSTOM_W3", "CUSTOM_W4"] as const).map(write);
    const all = { acceptLosses: true } as const;
    for (const step of [toHybrid, toDatabase, { ...backToInfisical, ...all }]) {
      const { state, error } = await only(migrator.migrate([company], step));
      expect({ state, error }).toEqual({ state: "done", error: undefined });
    }
    over.abort();
    await Promise.all(writers);
    const read = fixture.another();
    for (const [secretKey, value] of last) expect(await handle(company, read).get(secretKey)).toBe(value);
    expect(last.size).toBe(4);
  });

  test("of two migrations at once one is begun, and the other one is a conflict", async () => {
    const company = await companyWith(["CUSTOM_A"]);
    const request = { ...toHybrid, companies: [company], ratePerMinute: null } as const;
    const begun = await Promise.all(
      Array.from({ length: 5 }, () => codeOf(fixture.secrets.migrations.begin(operator, request))),
    );
    expect(begun.toSorted()).toEqual(["CONFLICT", "CONFLICT", "CONFLICT", "CONFLICT", "no error"]);
    for (const { id } of await fixture.secrets.runs.list(operator, { unfinished: true, limit: 10 }))
      await fixture.secrets.runs.cancel(operator, id);
  });

  test("a shredded company and a suspended one are not changed", async () => {
    const [shredded, suspended] = [await companyWith(["CUSTOM_A"]), await companyWith(["CUSTOM_A"])];
    await migrator.migrate([shredded], copy);
    await fixture.secrets.shredding.shred(operator, shredded, {
      backupsKeptDays: 30,
      withInfisicalFolder: true,
    });
    await fixture.secrets.suspension.suspend(operator, suspended);
    const { companies } = await migrator.migrate([shredded, suspended], backToInfisical);
    expect(companies.map(({ error }) => error?.code)).toEqual(["KEY_DESTROYED", "COMPANY_SUSPENDED"]);
  });
});

describe("back to Infisical", () => {
  test("a value that Infisical would change blocks the way back, and nothing has changed anywhere", async () => {
    const company = await companyWith(["CUSTOM_A"]);
    await migrator.migrate([company], toDatabase);
    await handle(company).set("CUSTOM_SPACE", " fake-with-space ");
    const before = await fixture.infisical.listSecrets(folderOf(company));
    const refused = await only(migrator.migrate([company], { ...backToInfisical, acceptLosses: true }));
    expect([refused.state, codesOf(refused)]).toEqual(["blocked", ["WHITE_SPACE CUSTOM_SPACE"]]);
    expect(await fixture.infisical.listSecrets(folderOf(company))).toEqual(before);
    expect(await storeOf(company)).toBe("database");
  });

  test(
    "a write during the write-back reaches the folder before the company reads from it",
    { timeout: 180_000 },
    async () => {
      const company = await companyWith(["CUSTOM_A"]);
      await migrator.migrate([company], toDatabase);
      await handle(company).set("CUSTOM_NEW", "fake-first");
      let puts = 0;
      const secrets = processWith({
        putSoleSecret: async () => {
          puts += 1;
          if (puts === 1) await handle(company).set("CUSTOM_NEW", "fake-second");
        },
      });
      const back = await only(
        createMigrator({ secrets }).migrate([company], { ...backToInfisical, acceptLosses: true }),
      );
      expect(back.state).toBe("done");
      expect(await handle(company, fixture.another()).get("CUSTOM_NEW")).toBe("fake-second");
      const found = await fixture.infisical.findSecret(folderOf(company), "CUSTOM_NEW");
      expect(found?.value).toBe("fake-second");
    },
  );

  test(
    "a value that Infisical refuses fails the way back by its secret key",
    { timeout: 240_000 },
    async () => {
      const company = await companyWith(["CUSTOM_A"]);
      await migrator.migrate([company], toDatabase);
      await handle(company).set("CUSTOM_REFERENCE", "${prod.tenants.other.KEY}");
      const refused = await only(migrator.migrate([company], backToInfisical));
      expect(refused).toMatchObject({
        state: "failed",
        error: { code: "INVALID_VALUE", message: expect.stringContaining("CUSTOM_REFERENCE") },
      });
      expect(await storeOf(company)).toBe("database");
      const open =
        await fixture.superuser`select from outside_writes w join companies c on c.id = w.company_id where c.subdomain = ${company}`;
      expect(open).toHaveLength(0);
    },
  );
});
