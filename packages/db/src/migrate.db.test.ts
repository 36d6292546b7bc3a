import { execFile } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { inject, expect, onTestFinished, test } from "vitest";
import { migrateDatabase } from "./migrate.ts";
import { connectOnce, execute, restrictDatabase } from "./provision.ts";
import { databaseUrl } from "./url.ts";
import { describeSchema } from "./testing/describe-schema.ts";
import { createTestDatabase } from "./testing/index.ts";

const cluster = inject("testCluster");

/** As `provisionDatabase` leaves it, but with the roles' passwords as they are. */
async function emptyDatabase(name: string): Promise<string> {
  const sql = connectOnce(cluster.superuserUrl);
  await execute(sql, "create database %I owner tenant_secrets_migration template template0", name);
  await restrictDatabase(sql, name);
  onTestFinished(async () => {
    await execute(sql, "drop database %I with (force)", name);
    await sql.end();
  });
  return databaseUrl(cluster.urls.migration, name);
}

async function tablesOf(url: string): Promise<string[]> {
  const sql = connectOnce(url);
  const rows = await sql<{ name: string }[]>`
    select schemaname || '.' || tablename as name from pg_tables
    where schemaname in ('public', 'drizzle') order by 1`;
  await sql.end();
  return rows.map((row) => row.name);
}

test("four processes that start at once all come up on one set of tables", { timeout: 180_000 }, async () => {
  const url = await emptyDatabase("migrate_at_once");
  const program = `
    const { migrateDatabase } = await import(${JSON.stringify(new URL("./migrate.ts", import.meta.url).href)});
    process.stdin.once("data", (url) => void migrateDatabase(url.toString()).then(() => process.exit(0)));
    console.log("ready");`;
  const runs = Array.from({ length: 4 }, () => promisify(execFile)(process.execPath, ["--eval", program]));
  await Promise.all(runs.map(({ child }) => once(child.stdout ?? child, "data")));
  for (const { child } of runs) child.stdin?.write(url);
  await Promise.all(runs);
  const tables = await tablesOf(url);
  expect(tables).toContain("drizzle.migrations");
  expect(tables).toContain("public.companies");
});

test("does nothing to a database that is up to date", async () => {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  const before = await tablesOf(database.urls.migration);
  await migrateDatabase(database.urls.migration);
  expect(await tablesOf(database.urls.migration)).toEqual(before);
});

test("the rules around the tables are applied once, and again with the same result", async () => {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  const owner = connectOnce(database.urls.migration);
  onTestFinished(() => owner.end());
  const rules = () => owner<{ definition: string }[]>`
    select pg_get_functiondef(oid) as definition from pg_proc where pronamespace = 'public'::regnamespace
    union all select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
    union all select tablename || policyname || roles::text || coalesce(qual, '') || coalesce(with_check, '') from pg_policies
    union all select table_name || privilege_type || grantee from information_schema.role_table_grants
    order by 1`;
  const before = await rules();
  const applied = () => owner`select hash, applied_at from drizzle.rules order by hash`;
  const first = await applied();
  await migrateDatabase(database.urls.migration);
  expect(await applied()).toEqual(first);
  await owner`delete from drizzle.rules`;
  await owner`drop policy company on company_secrets`;
  await owner`grant delete on company_secrets to tenant_secrets_application`;
  await migrateDatabase(database.urls.migration);
  expect(await rules()).toEqual(before);
});

test("migrations and rules make the database that schema.sql shows", async () => {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  const superuser = connectOnce(database.superuserUrl);
  onTestFinished(() => superuser.end());
  const text = `-- What the migrations and the files in sql/ make. After a change of either: npx vitest run packages/db/src/migrate.db.test.ts --update\n\n${await describeSchema(superuser)}`;
  await expect(text).toMatchFileSnapshot("../schema.sql");
});

test("says so when another process keeps the lock for too long", async () => {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  const other = connectOnce(database.urls.migration);
  onTestFinished(() => other.end());
  await other`select pg_advisory_lock(7274002)`;
  await expect(migrateDatabase(database.urls.migration, 100)).rejects.toThrow(
    "Another process has been migrating this database for more than 0.1 s",
  );
});
