import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import { createTestDatabase } from "./index.ts";
import type { TestDatabase } from "./index.ts";

async function testDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  return database;
}

function connect(url: string): postgres.Sql {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  onTestFinished(() => sql.end({ timeout: 1 }));
  return sql;
}

test("a test database has the tables, the owner, the grants and the time limits of a real one", async () => {
  const { urls } = await testDatabase();
  const [row] = await connect(urls.application)`
    select to_regclass('public.companies')::text as companies,
      (select datdba::regrole::text from pg_database where datname = current_database()) as owner,
      has_database_privilege('public', current_database(), 'connect') as anybody,
      has_database_privilege(current_database(), 'temp') as temporary,
      current_setting('statement_timeout') as statement`;
  expect(row).toEqual({
    companies: "companies",
    owner: "tenant_secrets_migration",
    anybody: false,
    temporary: false,
    statement: "5s",
  });
});

test("two databases know nothing of each other", async () => {
  const [one, two] = await Promise.all([testDatabase(), testDatabase()]);
  await connect(one.superuserUrl)`create table mine ()`;
  const [row] = await connect(two.superuserUrl)`select to_regclass('public.mine') as mine`;
  expect(row).toEqual({ mine: null });
});

test("dropping a test database closes its open connections", async () => {
  const database = await createTestDatabase();
  const sql = connect(database.urls.listener);
  await sql`select 1`;
  await database.drop();
  await expect(sql`select 1`).rejects.toThrow(
    /CONNECTION_CLOSED|terminating connection|does not exist|ECONNRESET/,
  );
});
