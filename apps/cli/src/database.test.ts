import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseEnv } from "node:util";
import { startEmbeddedPostgres } from "@repo/db/embedded";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cli, cliProcess, failing } from "./testing/run-cli.ts";

// A server of its own: provisioning changes the passwords of roles that belong to a whole server.
let server: Awaited<ReturnType<typeof startEmbeddedPostgres>>;
let dataDir: string;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "secrets-cli-"));
  dataDir = await mkdtemp(path.join(tmpdir(), "secrets-cli-server-"));
  server = await startEmbeddedPostgres({ dataDir, settings: { fsync: "off" } });
}, 60_000);

afterAll(async () => {
  await server.stop();
  for (const made of [directory, dataDir]) await rm(made, { recursive: true, force: true });
}, 60_000);

test("makes a database from nothing, keeps its URLs to the owner, and brings its tables up to date", async () => {
  const superuser = { DATABASE_SUPERUSER_URL: server.superuserUrl };
  const output = path.join(directory, "production.env");
  const provision = ["database", "provision", "--database", "shop", "--output", output, "--yes"];
  expect(await cliProcess(provision, superuser)).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining(output),
    stderr: "",
  });
  expect((await stat(output)).mode & 0o777).toBe(0o600);
  const written = await readFile(output, "utf8");
  const { DATABASE_MIGRATION_URL: migrationUrl = "", DATABASE_URL: url = "" } = parseEnv(written);
  expect(await failing(["database", "status"], { DATABASE_URL: url })).toMatchObject({
    exitCode: 5,
    code: "CONFLICT",
    message: expect.stringContaining('run "secrets database migrate" of release 0.2.0'),
  });
  expect(await cli(["database", "migrate"], { DATABASE_MIGRATION_URL: migrationUrl })).toEqual({
    exitCode: 0,
    stdout: "The tables are at version 2, of release 0.2.0.\n",
    stderr: "",
  });
  expect(await cli(["database", "status"], { DATABASE_URL: url })).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining("The tables:   version 2, of release 0.2.0;"),
  });

  const twice = await failing(provision, superuser);
  expect(twice).toMatchObject({ exitCode: 2, message: expect.stringContaining("exists already") });
  expect(await readFile(output, "utf8")).toBe(written);
  const elsewhere = path.join(directory, "other.env");
  const refused = await failing(
    ["database", "provision", "--database", "No", "--output", elsewhere, "--yes"],
    superuser,
  );
  expect(refused).toMatchObject({ exitCode: 2, message: expect.stringContaining("lower-case letters") });
  await expect(stat(elsewhere)).rejects.toThrow("ENOENT");
}, 60_000);

test("prints the URLs as JSON, after a yes", async () => {
  const superuser = { DATABASE_SUPERUSER_URL: server.superuserUrl };
  const provision = ["database", "provision", "--json"];
  const unasked = await cli(provision, superuser);
  expect(unasked).toMatchObject({ exitCode: 2, stdout: "", stderr: expect.stringContaining("--yes") });
  expect(Object.keys(JSON.parse((await cli([...provision, "--yes"], superuser)).stdout))).toEqual([
    "DATABASE_URL",
    "DATABASE_MAINTENANCE_URL",
    "DATABASE_MIGRATION_URL",
    "DATABASE_LISTENER_URL",
    "DATABASE_SIGN_IN_URL",
  ]);
}, 60_000);

test("errors of an unavailable and of a rejecting server differ, name the variable, and omit the password", async () => {
  const wrong = new URL(server.superuserUrl);
  wrong.password = "canary-password";
  const refused = await failing(["database", "migrate"], { DATABASE_MIGRATION_URL: wrong.href });
  expect(refused).toMatchObject({
    exitCode: 1,
    message: expect.stringMatching(/DATABASE_MIGRATION_URL: the server does not accept the password .*28P01/),
  });
  wrong.port = "1";
  const provision = ["database", "provision", "--yes"];
  const unavailable = await failing(provision, { DATABASE_SUPERUSER_URL: wrong.href });
  expect(unavailable).toMatchObject({
    exitCode: 7,
    code: "DATABASE_UNAVAILABLE",
    message: expect.stringContaining("The server of DATABASE_SUPERUSER_URL cannot be reached"),
  });
  const malformed = await failing(provision, {
    DATABASE_SUPERUSER_URL: "postgres://u:canary-password%@h/db",
  });
  expect(malformed).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("DATABASE_SUPERUSER_URL has a % in its password"),
  });
  expect(refused.message + unavailable.message + malformed.message).not.toContain("canary-password");
}, 60_000);
