import { execFile } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { inject, expect, onTestFinished, test } from "vitest";
import { migrateDatabase } from "./migrate.ts";
import { connectOnce, databaseUrl, execute, restrictDatabase } from "./provision.ts";
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

test("four processes that start at once all come up on one set of tables", { timeout: 60_000 }, async () => {
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
