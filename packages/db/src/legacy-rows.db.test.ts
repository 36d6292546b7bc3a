import { randomBytes, randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { readLegacyRows } from "./legacy-rows.ts";
import { databaseUrl, execute } from "./provision.ts";

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

async function allRows(batchSize: number, from = url) {
  const batches = [];
  for await (const batch of readLegacyRows(from, batchSize)) batches.push(batch);
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
    expect(new Set(rows.map((row) => `${row.company} ${row.secretKey} ${row.sealed}`))).toEqual(expected);
  }
});

test("a row without a company goes by the company's id, and an endless text is cut", async () => {
  const lost = randomUUID();
  await legacy`insert into company_secrets (company_id, secret_key, secret_value_encrypted)
    values (${lost}, 'lost', repeat('a', 1000000))`;
  const { rows } = await allRows(500);
  const found = rows.filter(({ company }) => company === lost);
  expect(found.map(({ secretKey, sealed }) => [secretKey, sealed.length])).toEqual([["lost", 200_000]]);
});

test("nothing is open between two batches, nor when the reader stops", async () => {
  const open = async () =>
    await legacy`select state from pg_stat_activity
      where application_name = 'tenant-secrets import' and datname = ${database}`;
  for await (const rows of readLegacyRows(url, 1)) {
    expect(rows).toHaveLength(1);
    expect((await open()).map(({ state }) => state)).toEqual(["idle"]);
    break;
  }
  await expect.poll(open, { timeout: 10_000 }).toHaveLength(0);
});

test("a database that is away or has no such tables is a DatabaseError, and its words stay behind", async () => {
  const away = allRows(1, "postgres://nobody:canary-password@127.0.0.1:1/nothing");
  await expect(away).rejects.toMatchObject({ name: "DatabaseError", kind: "unavailable" });
  const other = allRows(1, inject("testCluster").superuserUrl);
  await expect(other).rejects.toMatchObject({ name: "DatabaseError", message: "database error 42P01" });
});
