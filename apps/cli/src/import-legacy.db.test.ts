import { createCipheriv, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase, type Database } from "@repo/db";
import { createTestDatabase, type TestDatabase } from "@repo/db/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createFixture, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, failing, startCli, type Environment, type Outcome } from "./testing/run-cli.ts";

const canary = "sk_test_fake_canary_0001";
let fixture: Fixture;
let directory: string;
let rawKey: Buffer;
let environment: Environment;
let old: TestDatabase;
const databases: Database[] = [];

beforeAll(async () => {
  fixture = await createFixture();
  directory = await mkdtemp(path.join(tmpdir(), "secrets-import-"));
  const key = await fixture.infisical.findSecret("/hono-api", "MASTER_ENCRYPTION_KEY");
  rawKey = Buffer.from(key?.value ?? "", "hex");
  environment = { ...fixture.local, TENANT_SECRETS_OPERATOR_TOKEN: fixture.operatorToken };
  for (const subdomain of ["acmecorp", "codewiser", "another-company"]) {
    await fixture.secrets.admin.companies.create(operator, {
      subdomain,
      secretStore: subdomain === "codewiser" ? "infisical" : "database",
    });
  }
  old = await createTestDatabase();
  await sqlOf(old.superuserUrl)((sql) =>
    sql.unsafe(`
      drop schema public cascade;
      create schema public;
      create table companies (id uuid primary key default gen_random_uuid(), subdomain varchar(63) not null);
      create table company_secrets (
        id uuid primary key default gen_random_uuid(), company_id uuid not null references companies,
        secret_key varchar(255) not null, secret_value_encrypted text not null, unique (company_id, secret_key))`),
  );
});

afterAll(async () => {
  await Promise.all(databases.map((database) => database.close()));
  await old.drop();
  await rm(directory, { recursive: true, force: true });
});

/** Statements as a superuser, to look around and to prepare. */
function sqlOf(url: string): Database["outsideCompanies"] {
  const database = connectDatabase({ applicationUrl: url, maintenanceUrl: url });
  databases.push(database);
  return (work) => database.outsideCompanies(work);
}

function seal(value: string, key = rawKey): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const body = Buffer.concat([cipher.update(value), cipher.final()]);
  return [iv, body, cipher.getAuthTag()].map((part) => part.toString("hex")).join(":");
}

async function writeLines(name: string, lines: readonly unknown[]): Promise<string> {
  const file = path.join(directory, name);
  const texts = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
  await writeFile(file, `${texts.join("\n")}\n`);
  return file;
}

function run(...args: readonly string[]): Promise<Outcome> {
  return cli(["import-legacy", ...args], environment);
}

test("rows of the old database are foretold, imported, and found equal the next time", async () => {
  await sqlOf(old.superuserUrl)(async (sql) => {
    await sql`insert into companies (subdomain) values ('acmecorp'), ('codewiser'), ('gone')`;
    for (const [company, secretKey, sealed] of [
      ["acmecorp", "stripe_secret_key", seal(canary)],
      ["acmecorp", "twilio_token", seal(`${canary}-twilio`)],
      ["codewiser", "STRIPE_SECRET_KEY", seal(canary)],
      ["gone", "STRIPE_SECRET_KEY", seal(canary)],
    ] as const) {
      await sql`insert into company_secrets (company_id, secret_key, secret_value_encrypted)
        select id, ${secretKey}, ${sealed} from companies where subdomain = ${company}`;
    }
  });
  const file = path.join(directory, "old-url");
  await writeFile(file, `${old.superuserUrl}\n`);
  const acme = fixture.secrets.company("acmecorp", product);

  const foretold = await run("--source-url-file", file, "--batch", "2", "--custom-unknown", "--dry-run");
  expect(foretold.exitCode).toBe(1);
  expect(foretold.stdout).toMatch(/^COMPANY +SECRET KEY +HERE +RESULT +REASON$/m);
  expect(foretold.stdout).toMatch(/^acmecorp +stripe_secret_key +STRIPE_SECRET_KEY +imported$/m);
  expect(foretold.stdout).toMatch(/^acmecorp +twilio_token +CUSTOM_TWILIO_TOKEN +imported$/m);
  expect(foretold.stdout).toMatch(/^codewiser +STRIPE_SECRET_KEY .*bad +STORE_IS_INFISICAL$/m);
  expect(foretold.stdout).toMatch(/^gone +STRIPE_SECRET_KEY .*bad +UNKNOWN_COMPANY$/m);
  expect(foretold.stdout).toMatch(/^Would be imported: 2, unchanged: 0, conflict: 0, bad: 2\.$/m);
  expect(await acme.find("STRIPE_SECRET_KEY")).toBeUndefined();

  const done = await run("--source-url-file", file, "--batch", "2", "--custom-unknown");
  expect(done.exitCode).toBe(1);
  expect(done.stdout).not.toMatch(/^acmecorp/m);
  expect(done.stdout).toMatch(/^Imported: 2, unchanged: 0, conflict: 0, bad: 2\.$/m);
  expect(done.stderr).toMatch(/^INCOMPLETE: 2 rows are left alone/);
  expect(await acme.get("STRIPE_SECRET_KEY")).toBe(canary);
  expect(await acme.get("CUSTOM_TWILIO_TOKEN")).toBe(`${canary}-twilio`);

  await sqlOf(old.superuserUrl)(
    (sql) => sql`delete from company_secrets s using companies c
      where c.id = s.company_id and c.subdomain <> 'acmecorp'`,
  );
  const again = await cli(["import-legacy", "--json", "--custom-unknown"], {
    ...environment,
    LEGACY_DATABASE_URL: old.superuserUrl,
  });
  expect(again).toMatchObject({ exitCode: 0, stderr: "" });
  expect(JSON.parse(again.stdout)).toEqual({
    dryRun: false,
    counts: { imported: 0, unchanged: 2, conflict: 0, bad: 0 },
    rows: [],
  });
  const said = [foretold, done, again].flatMap(({ stdout, stderr }) => [stdout, stderr]).join("");
  expect(said).not.toContain(canary);
  expect(said).not.toContain(new URL(old.superuserUrl).password || "postgres://");
  expect(said).not.toMatch(/[0-9a-f]{24}:/);
});

test("lines of a file are imported, and those that are not rows are named by their number", async () => {
  const company = (await fixture.secrets.admin.companies.list(operator)).find(
    ({ subdomain }) => subdomain === "another-company",
  );
  const file = await writeLines("rows.jsonl", [
    { company: company?.id, secretKey: "custom_a", encrypted: seal(canary) },
    "",
    `{"company": "another-company", "secretKey": "custom_b", "encrypted": "${canary}`,
    { company: "another-company", secretKey: "custom_c", encrypted: seal(canary), value: canary },
    { company: "another-company", secretKey: "custom_d\u001b[31m", encrypted: seal(canary) },
    { company: "another-company", secretKey: "custom_e", encrypted: seal(canary, randomBytes(32)) },
  ]);
  const outcome = await run("--input", file, "--json");
  expect(outcome.exitCode).toBe(1);
  expect(JSON.parse(outcome.stdout)).toEqual({
    dryRun: false,
    counts: { imported: 1, unchanged: 0, conflict: 0, bad: 4 },
    rows: [
      { company: "line 3", secretKey: "", result: "bad", reason: "UNREADABLE_ROW" },
      { company: "line 4", secretKey: "", result: "bad", reason: "UNREADABLE_ROW" },
      {
        company: "another-company",
        secretKey: "custom_d\u001b[31m",
        result: "bad",
        reason: "UNKNOWN_SECRET_KEY",
      },
      {
        company: "another-company",
        secretKey: "custom_e",
        target: "CUSTOM_E",
        result: "bad",
        reason: "NOT_OPENED",
      },
    ],
  });
  expect(JSON.parse(outcome.stderr)).toMatchObject({ error: { code: "INCOMPLETE" } });
  expect(outcome.stdout + outcome.stderr).not.toContain(canary);
  expect(outcome.stdout).not.toContain("\u001b");
  expect(await fixture.secrets.company("another-company", product).get("CUSTOM_A")).toBe(canary);
});

test("an import that is killed is completed by the next one", async () => {
  const names = Array.from({ length: 120 }, (_, i) => `CUSTOM_KILLED_${i}` as const);
  const file = await writeLines(
    "many.jsonl",
    names.map((secretKey) => ({ company: "acmecorp", secretKey, encrypted: seal(`fake-${secretKey}`) })),
  );
  const sql = sqlOf(fixture.superuserUrl);
  const written = async (): Promise<number> => {
    const [row] = await sql(
      (statements) =>
        statements`select count(*)::int as n from company_secrets where secret_key like 'CUSTOM_KILLED_%'`,
    );
    return Number(row?.["n"]);
  };
  const child = startCli(["import-legacy", "--input", file, "--batch", "50"], environment);
  const ended = once(child, "exit");
  while ((await written()) < 20 && child.exitCode === null) await sleep(10);
  child.kill("SIGKILL");
  expect(await ended).toEqual([null, "SIGKILL"]);
  const before = await written();
  expect(before).toBeGreaterThanOrEqual(20);
  expect(before).toBeLessThan(names.length);

  const rest = await run("--input", file, "--json");
  expect(rest).toMatchObject({ exitCode: 0, stderr: "" });
  expect(JSON.parse(rest.stdout)).toEqual({
    dryRun: false,
    counts: { imported: names.length - before, unchanged: before, conflict: 0, bad: 0 },
    rows: [],
  });
  const acme = fixture.secrets.company("acmecorp", product);
  const values = await Promise.all(names.map((name) => acme.get(name)));
  expect(values).toEqual(names.map((name) => `fake-${name}`));
  const [events] = await sql(
    (statements) => statements`select count(*)::int as n, count(distinct secret_key)::int as secrets
      from audit_events where action = 'secret.import' and secret_key like 'CUSTOM_KILLED_%'`,
  );
  expect({ ...events }).toEqual({ n: names.length, secrets: names.length });
});

describe("nothing is imported", () => {
  const nowhere = `postgres://nobody:${canary}@127.0.0.1:1/nothing`;
  const refused = (args: readonly string[], changed: Environment = {}) =>
    failing(["import-legacy", ...args], { ...environment, ...changed });

  test.for<[string, string[], Environment, string]>([
    ["without a source", [], {}, "LEGACY_DATABASE_URL is not set"],
    ["from two", ["--input", "a", "--source-url-file", "b"], {}, "one place"],
    ["from a file that is not there", ["--input", "/nowhere/rows.jsonl"], {}, "--input names a file"],
    ["from a folder", ["--input", "/"], {}, "--input names a file"],
    ["from a URL in the arguments", ["--source-url-file", nowhere], {}, "--source-url-file names a file"],
    ["from a malformed URL", [], { LEGACY_DATABASE_URL: canary }, "LEGACY_DATABASE_URL does not begin with"],
    ["in batches of none", ["--input", "a", "--batch", "0"], {}, "--batch is a number of rows"],
    [
      "through an API",
      ["--input", "a"],
      { TENANT_SECRETS_URL: "http://127.0.0.1:1" },
      "unset TENANT_SECRETS_URL",
    ],
    [
      "without a credential",
      ["--input", "a"],
      { TENANT_SECRETS_OPERATOR_TOKEN: "" },
      "TENANT_SECRETS_OPERATOR_TOKEN is not",
    ],
  ])("%s", async ([, args, changed, sentence]) => {
    const failure = await refused(args, changed);
    expect(failure).toMatchObject({ exitCode: 2, message: expect.stringContaining(sentence) });
    expect(failure.message).not.toContain(canary);
  });

  test("by an API key, or a token that is not valid", async () => {
    const file = await writeLines("one.jsonl", [{ company: "acmecorp", secretKey: "CUSTOM_X", sealed: "" }]);
    const apiKey = await fixture.apiKey(["acmecorp"]);
    expect(await refused(["--input", file], { TENANT_SECRETS_OPERATOR_TOKEN: apiKey })).toMatchObject({
      exitCode: 4,
      code: "FORBIDDEN",
    });
    expect(await refused(["--input", file], { TENANT_SECRETS_OPERATOR_TOKEN: canary })).toMatchObject({
      exitCode: 4,
      code: "UNAUTHENTICATED",
    });
  });

  test("from a database that is unavailable, or has other tables", async () => {
    const unavailable = await refused([], { LEGACY_DATABASE_URL: nowhere });
    expect(unavailable).toMatchObject({ exitCode: 7, code: "DATABASE_UNAVAILABLE" });
    expect(unavailable.message).toMatch(/^The old database/);
    expect(unavailable.message).not.toContain(canary);
    const wrong = new URL(old.superuserUrl);
    wrong.password = canary;
    const shut = await refused([], { LEGACY_DATABASE_URL: wrong.href });
    expect(shut.message).toMatch(/^LEGACY_DATABASE_URL: the server does not accept the password of its role/);
    expect(shut.message).not.toContain(canary);
    const other = new URL(old.superuserUrl);
    other.pathname = "/postgres";
    expect(await refused([], { LEGACY_DATABASE_URL: other.href })).toMatchObject({
      exitCode: 2,
      code: "USAGE",
      message: expect.stringContaining("There is no table company_secrets."),
    });
  });
});

test("tables of other names and types are read, and a row of a lost name is assigned", async () => {
  await sqlOf(old.superuserUrl)((sql) =>
    sql.unsafe(`
      create table old_company_secrets (company_id text, secret_key text, secret_value_encrypted text);
      insert into old_company_secrets values ('oldname', 'CUSTOM_ASSIGNED', '${seal(canary)}'), (null, 'CUSTOM_LOST', 'x')`),
  );
  const file = path.join(directory, "old-url-too");
  await writeFile(file, `${old.superuserUrl}\n`);
  const options = ["--source-url-file", file, "--table", "old_company_secrets"];
  expect((await run(...options, "--dry-run")).stdout).toMatch(
    /^oldname +CUSTOM_ASSIGNED .*bad +UNKNOWN_COMPANY$/m,
  );
  const done = await run(...options, "--assign", "oldname=another-company");
  expect(done.stdout).toMatch(/^row \d +CUSTOM_LOST .*bad +UNREADABLE_ROW$/m);
  expect(done.stdout).toMatch(/^Imported: 1, unchanged: 0, conflict: 0, bad: 1\.$/m);
  const secrets = fixture.secrets.company("another-company", product);
  expect(await secrets.get("CUSTOM_ASSIGNED")).toBe(canary);
});

test.for([
  [["--table", "nothing"], "The old database was refused: There is no table nothing."],
  [["--table", "companies"], "has no column company_id"],
  [["--assign", "x"], "--assign is NAME=COMPANY"],
  [["--assign", "x=a", "--assign", "x=b"], "--assign gives x to two companies"],
] as const)("%j is refused before anything is read", async ([options, message]) => {
  const file = path.join(directory, "old-url-refused");
  await writeFile(file, `${old.superuserUrl}\n`);
  const refused = await run("--source-url-file", file, ...options);
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain(message);
});
