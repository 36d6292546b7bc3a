import type postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import { connectDatabase, type Database } from "../connect.ts";
import { migrateDatabase } from "../migrate.ts";
import { connectOnce } from "../provision.ts";
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from "../testing/index.ts";
import { readMigrations } from "./migrations.ts";
import { releasedTags } from "./next-migration.ts";
import { ownSchema, releases } from "./released.ts";
import { fitSchema } from "./schema-state.ts";

interface Opened {
  readonly superuserUrl: string;
  readonly urls: TestDatabase["urls"];
  readonly owner: postgres.Sql;
  readonly database: Database;
}

async function open(): Promise<Opened> {
  const made = await createTestDatabase();
  const { urls, superuserUrl } = made;
  const owner = connectOnce(urls.migration);
  const database = connectDatabase({ applicationUrl: urls.application, maintenanceUrl: urls.maintenance });
  onTestFinished(async () => {
    await Promise.all([owner.end({ timeout: 5 }), database.close()]);
    await made.drop();
  });
  return { urls, superuserUrl, owner, database };
}

test("a migrated database has the version of this release, and fits it without a word", async () => {
  const { owner, database } = await open();
  expect(await owner`select version, oldest, release from schema_versions`).toEqual([ownSchema]);
  expect(await database.check()).toBeUndefined();
});

test("a database without a version is one of 0.1.0, and is behind", async () => {
  const { owner, database } = await open();
  await owner`drop table schema_versions`;
  await expect(database.check()).rejects.toMatchObject({
    name: "SchemaError",
    isBehind: true,
    message: expect.stringMatching(/schema version 1 \(release 0\.1\.0\).*run "secrets database migrate"/),
  });
});

test("a database that has the released migrations gets the others, once", async () => {
  const { urls, drop } = await createEmptyDatabase();
  onTestFinished(drop);
  const owner = connectOnce(urls.migration);
  onTestFinished(() => owner.end({ timeout: 5 }));
  await owner`create schema drizzle`;
  await owner`create table drizzle.migrations (id serial primary key, hash text not null, created_at bigint)`;
  for (const { tag, text, hash, when } of await readMigrations()) {
    if (!releasedTags.includes(tag)) continue;
    await owner.unsafe(text);
    await owner`insert into drizzle.migrations (hash, created_at) values (${hash}, ${when})`;
  }
  expect(await migrateDatabase(urls.migration)).toEqual({ outcome: "migrated", schema: ownSchema });
  expect(await owner`select version, oldest, release from schema_versions`).toEqual([ownSchema]);
  expect(await migrateDatabase(urls.migration)).toEqual({ outcome: "up-to-date", schema: ownSchema });
});

test("a newer database serves this program as long as it says so", async () => {
  const { owner, database } = await open();
  const next = ownSchema.version + 1;
  await owner`insert into schema_versions (version, oldest, release) values (${next}, ${ownSchema.version}, '9.0.0')`;
  expect(await database.check()).toContain(
    `has schema version ${next} (release 9.0.0), and serves this program`,
  );
  // As it is while a program runs: the release after the next one contracts.
  await owner`insert into schema_versions (version, oldest, release) values (${next + 1}, ${next}, '9.1.0')`;
  await expect(database.check()).rejects.toMatchObject({
    isBehind: false,
    message: expect.stringContaining("start release 9.1.0 or a newer one"),
  });
});

test("migrating changes nothing of what a newer release has migrated, its functions and policies included", async () => {
  const { urls, owner } = await open();
  const newer = { version: ownSchema.version + 1, oldest: 1, release: "9.0.0" };
  await owner`insert into schema_versions ${owner(newer)}`;
  await owner`delete from drizzle.rules`;
  await owner`drop policy company on company_secrets`;
  expect(await migrateDatabase(urls.migration)).toEqual({ outcome: "newer", schema: newer });
  expect(
    await owner`select from pg_policies where policyname = 'company' and tablename = 'company_secrets'`,
  ).toEqual([]);
});

test("the rules of every release count as applied, so that no older one puts its own back", async () => {
  const { owner } = await open();
  const applied = (await owner<{ hash: string }[]>`select hash from drizzle.rules`).map(({ hash }) => hash);
  expect(applied).toEqual(expect.arrayContaining(releases.map(({ rules }) => rules)));
});

test("a migration waits for transactions that use the tables, says so where they stay, and ends none of them", async () => {
  const { urls, superuserUrl, owner } = await open();
  await owner`delete from drizzle.rules`;
  const holder = connectOnce(urls.maintenance);
  const observer = connectOnce(superuserUrl);
  onTestFinished(async () => {
    await Promise.all([holder.end({ timeout: 5 }), observer.end({ timeout: 5 })]);
  });
  const waitsForTable = () =>
    observer`select from pg_stat_activity where wait_event = 'relation' and datname = current_database()`;
  const migrated = await holder.begin(async (sql) => {
    // The table that is locked last. The one below is locked first: two that would wait for each other.
    await sql`select from write_requests`;
    await expect(migrateDatabase(urls.migration, 1000)).rejects.toThrow(
      "have used the tables for more than 1 s",
    );
    const waiting = migrateDatabase(urls.migration);
    await expect.poll(waitsForTable).not.toEqual([]);
    await sql`select from approvals`;
    return { waiting };
  });
  expect((await migrated.waiting).outcome).toBe("migrated");
});

test.each([
  { found: { version: 5, oldest: 5 }, own: 5, fits: "same" },
  { found: { version: 6, oldest: 4 }, own: 5, fits: "newer" },
  { found: { version: 6, oldest: 5 }, own: 5, fits: "newer" },
  { found: { version: 6, oldest: 6 }, own: 5, fits: "refused" },
  { found: { version: 4, oldest: 4 }, own: 5, fits: "behind" },
])("a database of $found beside a program of version $own: $fits", ({ found, own, fits }) => {
  const compare = (): string => {
    try {
      const database = { ...found, release: "9.0.0" };
      return fitSchema(database, { version: own, oldest: own, release: "8.0.0" }) === undefined
        ? "same"
        : "newer";
    } catch (error) {
      return error instanceof Error && "isBehind" in error && error.isBehind === true ? "behind" : "refused";
    }
  };
  expect(compare()).toBe(fits);
});
