import postgres from "postgres";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { startEmbeddedPostgres } from "./embedded/index.ts";
import type { EmbeddedPostgres } from "./embedded/index.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { migrateDatabase } from "./migrate.ts";
import { provisionDatabase } from "./provision.ts";
import type { DatabaseUrls } from "./provision.ts";
import { assertApplicationRole } from "./roles.ts";
import { databaseUrl } from "./url.ts";

// Roles and passwords belong to a whole server, and other test files use those of the shared one: this has its own.
const directory = mkdtempSync(path.join(tmpdir(), "tenant-secrets-test-"));
const ROLES = ["application", "maintenance", "migration", "listener", "signIn"] as const;
const nameOf = (role: (typeof ROLES)[number]): string =>
  `tenant_secrets_${role === "signIn" ? "sign_in" : role}`;
const PASSWORDS = {
  application: "fake%41'\"\\@:/?#",
  maintenance: "fake-maintenance",
  migration: "fake-migration",
  listener: "fake-listener",
  signIn: "fake-sign-in",
};

const SETTINGS = { fsync: "off", shared_preload_libraries: "pg_stat_statements" };

let server: EmbeddedPostgres;
let urls: DatabaseUrls;
beforeAll(async () => {
  server = await startEmbeddedPostgres({ dataDir: directory, settings: SETTINGS });
  const superuser = postgres(server.superuserUrl, { max: 1 });
  await superuser`create extension pg_stat_statements`;
  await superuser.end();
  urls = await provision();
});
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

const provision = (
  database = "secrets",
  passwords: Partial<typeof PASSWORDS> = PASSWORDS,
): Promise<DatabaseUrls> => provisionDatabase({ superuserUrl: server.superuserUrl, database, passwords });

function connect(url: string): postgres.Sql {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  onTestFinished(() => sql.end());
  return sql;
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "succeeded",
    (error: unknown) => (error instanceof postgres.PostgresError ? error.code : String(error)),
  );
const INSUFFICIENT_PRIVILEGE = "42501";
const INVALID_PASSWORD = "28P01";

test("every role gets in with its password, whatever characters it is made of", async () => {
  for (const role of ROLES) {
    const [row] = await connect(
      urls[role],
    )`select current_user::text as role, current_database()::text as name`;
    expect(row).toEqual({ role: nameOf(role), name: "secrets" });
  }
});

test("no role is a superuser, escapes row-level security, or makes roles or databases", async () => {
  const rows = await connect(server.superuserUrl)`
    select rolname from pg_roles where rolname like 'tenant_secrets_%'
      and not (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication) and rolcanlogin`;
  expect(rows).toHaveLength(ROLES.length);
});

test("the application can neither make anything nor become anybody", async () => {
  const sql = connect(urls.application);
  const attempts = [
    "create table public.mine (id int)",
    "create temporary table mine (id int)",
    "create schema mine",
    "set role tenant_secrets_maintenance",
    "set role tenant_secrets_migration",
    "create role another",
    "create database another",
    "copy (select 1) to program 'true'",
  ];
  for (const attempt of attempts)
    expect([attempt, await codeOf(sql.unsafe(attempt))]).toEqual([attempt, INSUFFICIENT_PRIVILEGE]);
});

test("only the five roles may connect to the database", async () => {
  const superuser = connect(server.superuserUrl);
  await superuser`create role stranger login password 'fake-stranger'`;
  const url = new URL(urls.application);
  url.username = "stranger";
  url.password = "fake-stranger";
  expect(await codeOf(connect(url.href)`select 1`)).toBe(INSUFFICIENT_PRIVILEGE);
});

test("a stuck statement of the application ends by itself; a migration may take its time", async () => {
  const timeouts = (url: string) => connect(url)`
    select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,
      current_setting('idle_in_transaction_session_timeout') as idle`;
  expect(await timeouts(urls.application)).toEqual([{ statement: "5s", lock: "5s", idle: "10s" }]);
  expect(await timeouts(urls.migration)).toEqual([{ statement: "0", lock: "30s", idle: "1min" }]);
});

test("several that provision at once all succeed", async () => {
  const all = await Promise.all(
    ["at_once_a", "at_once_a", "at_once_a", "at_once_b"].map((name) => provision(name)),
  );
  for (const each of all) expect(await connect(each.application)`select 1 as one`).toEqual([{ one: 1 }]);
});

test("provisioning again revokes privileges that were added by hand, and keeps the data", async () => {
  const superuser = connect(server.superuserUrl);
  const before = await provision("widened");
  await connect(before.migration)`create table public.kept as select 42 as answer`;
  await superuser`alter role tenant_secrets_application superuser bypassrls`;
  await superuser`grant all on database widened to public`;
  const after = await provision("widened");
  expect(await codeOf(connect(after.application)`create temporary table mine (id int)`)).toBe(
    INSUFFICIENT_PRIVILEGE,
  );
  expect(await connect(after.migration)`select answer from kept`).toEqual([{ answer: 42 }]);
});

test("a role without a given password gets a new one, and the old one ends", async () => {
  const old = await provision("renewed");
  const renewed = await provision("renewed", {});
  onTestFinished(async () => void (await provision("renewed")));
  expect(await codeOf(connect(old.listener)`select 1`)).toBe(INVALID_PASSWORD);
  expect(await connect(renewed.listener)`select 1 as one`).toEqual([{ one: 1 }]);
  expect(new URL(renewed.listener).password).toMatch(/^[\w-]{43}$/);
});

test("the server never sees a password, so that its log cannot hold one", async () => {
  const rows = await connect(server.superuserUrl)<{ query: string }[]>`
    select query from pg_stat_statements where query ilike 'alter role % password %'`;
  expect(rows.length).toBeGreaterThan(0);
  for (const { query } of rows) expect(query).toContain("'SCRAM-SHA-256$");
});

test.each(["Secrets", "a-b", "", 'a"b', "x".repeat(64)])("refuses the database name %j", async (name) => {
  await expect(provision(name)).rejects.toThrow(RangeError);
});

test("refuses a password that drivers would encode differently", async () => {
  await expect(provision("refused", { listener: "fäke" })).rejects.toThrow("The password for listener");
});

test("a role with CREATEROLE and CREATEDB does as a managed server's administrator, twice over", async () => {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tenant-secrets-test-"));
  const managed = await startEmbeddedPostgres({ dataDir, settings: { fsync: "off" } });
  onTestFinished(async () => {
    await managed.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const superuser = postgres(managed.superuserUrl, { max: 1, onnotice: () => {} });
  await superuser`create role administrator login createrole createdb password 'fake-administrator'`;
  await superuser.end();
  const superuserUrl = databaseUrl(managed.superuserUrl, "postgres", {
    user: "administrator",
    password: "fake-administrator",
  });
  await provisionDatabase({ superuserUrl, database: "secrets" });
  const made = await provisionDatabase({ superuserUrl, database: "secrets" });
  await migrateDatabase(made.migration);
  await assertApplicationRole(connect(made.application));
  expect(await connect(made.application)`select from companies`).toEqual([]);
}, 60_000);
