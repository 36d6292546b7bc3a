import { randomBytes, randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { readLegacyRows, type LegacySource } from "./legacy-rows.ts";
import { execute } from "./provision.ts";
import { databaseUrl } from "./url.ts";

const database = `legacy_${randomBytes(8).toString("hex")}`;
let url: string;
let server: postgres.Sql;
let legacy: postgres.Sql;

beforeAll(async () => {
  const { superuserUrl } = inject("testCluster");
  server = postgres(superuserUrl, { max: 1, onnotice: () => {} });
  await execute(server, "create database %I", database);
  url = databaseUrl(superuserUrl, database);
  legacy = postgres(url, { max: 2, onnotice: () => {} });
  await legacy.unsafe(`
    create table companies (id uuid primary key, subdomain varchar(63) not null);
    create table company_secrets (
      id uuid primary key default gen_random_uuid(), company_id uuid not null,
      secret_key varchar(255) not null, secret_value_encrypted text not null,
      unique (company_id, secret_key))`);
});

afterAll(async () => {
  await legacy.end();
  await execute(server, "drop database %I with (force)", database);
  await server.end();
});

async function allRows(batchSize: number, source: Partial<LegacySource> = {}) {
  const batches = [];
  for await (const batch of readLegacyRows({ url, batchSize, ...source })) batches.push(batch);
  return { sizes: batches.map(({ length }) => length), rows: batches.flat() };
}

test("every row is read once, whatever the size of a batch, with the company's subdomain", async () => {
  expect(await allRows(10)).toEqual({ sizes: [], rows: [] });
  const expected = new Set<string>();
  for (const subdomain of ["acmecorp", "codewiser", "another-company"]) {
    const id = randomUUID();
    await legacy`insert into companies values (${id}, ${subdomain})`;
    for (const secretKey of ["stripe_secret_key", "STRIPE_SECRET_KEY", "a b", "ä", "z", "A", "_"]) {
      await legacy`insert into company_secrets (company_id, secret_key, secret_value_encrypted)
        values (${id}, ${secretKey}, ${`sealed ${subdomain} ${secretKey}`})`;
      expected.add(`${subdomain} ${secretKey} sealed ${subdomain} ${secretKey}`);
    }
  }
  for (const batchSize of [1, 2, 7, 21, 22, 500]) {
    const { sizes, rows } = await allRows(batchSize);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(batchSize);
    expect(rows).toHaveLength(21);
    expect(new Set(rows.map((row) => `${row.company} ${row.secretKey} ${row.encrypted}`))).toEqual(expected);
  }
});

test("a row without a company goes by the company's id, and an endless text is cut", async () => {
  const lost = randomUUID();
  await legacy`insert into company_secrets (company_id, secret_key, secret_value_encrypted)
    values (${lost}, 'lost', repeat('a', 1000000))`;
  const { rows } = await allRows(500);
  const found = rows.filter(({ company }) => company === lost);
  expect(found.map(({ secretKey, encrypted }) => [secretKey, encrypted?.length])).toEqual([
    ["lost", 200_000],
  ]);
});

test("nothing is open between two batches, nor when the reader stops", async () => {
  const open = async () =>
    await legacy`select state from pg_stat_activity
      where application_name = 'tenant-secrets import' and datname = ${database}`;
  for await (const rows of readLegacyRows({ url, batchSize: 1 })) {
    expect(rows).toHaveLength(1);
    expect((await open()).map(({ state }) => state)).toEqual(["idle"]);
    break;
  }
  await expect.poll(open, { timeout: 60_000 }).toHaveLength(0);
});

test("a database that is unavailable is a DatabaseError, and its words stay behind", async () => {
  const unreachable = allRows(1, { url: "postgres://nobody:canary-password@127.0.0.1:1/nothing" });
  await expect(unreachable).rejects.toMatchObject({ name: "DatabaseError", kind: "unavailable" });
});

describe("tables that are not the sample's", () => {
  const schema = (name: string, statements: string) =>
    legacy.unsafe(`create schema ${name}; set search_path = ${name}; ${statements}; reset search_path`);

  test("may hold subdomains as text, a NULL in every column, and the same secret twice", async () => {
    const id = randomUUID();
    await schema(
      "loose",
      `create table app_companies (id uuid, subdomain text);
       insert into app_companies values ('${id}', 'acmecorp'), (null, 'nobody');
       create table app_company_secrets (company_id text, secret_key text, secret_value_encrypted text);
       insert into app_company_secrets values
         ('${id}', 'A', 'a'), ('codewiser', 'B', 'b'), ('codewiser', 'B', 'other'),
         (null, 'C', 'c'), ('${id}', null, 'd'), ('codewiser', 'E', null), (null, null, null)`,
    );
    const tables = { table: "loose.app_company_secrets", companiesTable: "loose.app_companies" };
    for (const batchSize of [1, 3, 500]) {
      const { rows } = await allRows(batchSize, tables);
      const seen = rows.map(({ company, secretKey, encrypted }) => [
        company,
        secretKey,
        encrypted ?? "unreadable",
      ]);
      expect(seen.map((row) => row.join(" ").replace(/^row \d/, "row n")).toSorted()).toEqual([
        "acmecorp  unreadable",
        "acmecorp A a",
        "codewiser B b",
        "codewiser B other",
        "codewiser E unreadable",
        "row n  unreadable",
        "row n C unreadable",
      ]);
      expect(rows.find(({ secretKey }) => secretKey === "A")?.companyId).toBe(id);
    }
  });

  test("need no table of companies where the rows hold subdomains", async () => {
    await schema(
      "alone",
      "create table company_secrets (company_id varchar(63), secret_key text, secret_value_encrypted text); insert into company_secrets values ('acmecorp', 'A', 'a')",
    );
    const there = new URL(url);
    there.search = "options=-c%20search_path%3Dalone";
    const { rows } = await allRows(5, { url: there.href });
    expect(rows).toEqual([{ company: "acmecorp", companyId: "acmecorp", secretKey: "A", encrypted: "a" }]);
  });

  test.for([
    ["missing", { url: "elsewhere" }, "There is no table company_secrets."],
    ["missing under a name", { table: "nothing.here" }, "There is no table nothing.here."],
    ["missing of companies", { companiesTable: "nothing" }, "There is no table nothing."],
    ["quoted", { table: 'company_secrets"; drop table companies; --' }, "There is no table"],
    ["of too many names", { table: "a.b.c.d" }, "The name of a table is"],
    [
      "of other columns",
      { table: "companies" },
      "has no column company_id, secret_key, secret_value_encrypted.",
    ],
  ] as const)("are refused by their name when they are %s", async ([, source, message]) => {
    const given = "url" in source ? { url: inject("testCluster").superuserUrl } : source;
    await expect(allRows(1, given)).rejects.toThrow(message);
    expect(await legacy`select count(*) from companies`).toHaveLength(1);
  });
});
