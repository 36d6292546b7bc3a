import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFixture, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, failing, type Environment } from "./testing/run-cli.ts";

let fixture: Fixture;
let environment: Environment;
let directory: string;

beforeAll(async () => {
  fixture = await createFixture();
  directory = await mkdtemp(path.join(tmpdir(), "tenant-secrets-test-"));
  environment = {
    ...fixture.local,
    TENANT_SECRETS_OPERATOR_TOKEN: fixture.operatorToken,
    KEY_BACKUP_DIR: directory,
    KEY_BACKUP_RECIPIENTS: "age1nl04lpcnuy8lcfmpjltprvqcywc3p07hlsa6fxyrj84cvxz0fcfsys7mvl",
  };
  for (const [subdomain, secretStore] of [
    ["acmecorp", "database"],
    ["globex", "infisical"],
  ] as const) {
    await fixture.secrets.admin.companies.create(operator, { subdomain, secretStore });
    await fixture.secrets
      .company(subdomain, product)
      .set("STRIPE_SECRET_KEY", `sk_test_fake_${subdomain}_0001`);
  }
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const file = (name: string) => path.join(directory, name);
const confirmed = ["--yes", "--confirm", "replace-all-keys"];

test("a company's key is rotated, and its values stay", async () => {
  const done = await cli(["keys", "rotate-company", "acmecorp"], environment);
  expect(done).toMatchObject({
    exitCode: 0,
    stdout: "Everything of acmecorp is under its key 2: 1 values were re-encrypted. Destroyed: key 1.\n",
    stderr: "1 values re-encrypted under the new key\n",
  });
  const again = await cli(["keys", "rotate-company", "acmecorp", "--json"], environment);
  expect(JSON.parse(again.stdout)).toEqual({ company: "acmecorp", keyVersion: 3, values: 1, destroyed: [2] });
  expect(await fixture.secrets.company("acmecorp", product).get("STRIPE_SECRET_KEY")).toBe(
    "sk_test_fake_acmecorp_0001",
  );
  expect(await failing(["keys", "rotate-company", "unknown"], environment)).toMatchObject({ exitCode: 3 });
  // Its secrets are in Infisical: the key seals what a process notes of a write that is out.
  const outside = await cli(["keys", "rotate-company", "globex", "--json"], environment);
  expect(JSON.parse(outside.stdout)).toMatchObject({ company: "globex", values: 0 });
});

test("nothing is replaced before there is a list to write, a place for a backup, and the word", async () => {
  const stranger = { ...environment, TENANT_SECRETS_OPERATOR_TOKEN: await fixture.apiKey(["acmecorp"]) };
  const { KEY_BACKUP_RECIPIENTS: _, ...withoutRecipients } = environment;
  const output = ["--output", file("never.json")];
  for (const [args, variables, expected] of [
    [confirmed, environment, { exitCode: 2, message: "--output <file> is missing." }],
    [output, environment, { exitCode: 2 }],
    [[...output, "--yes", "--confirm", "yes"], environment, { exitCode: 2 }],
    [[...output, ...confirmed], withoutRecipients, { exitCode: 2 }],
    [
      [...output, ...confirmed],
      { ...environment, TENANT_SECRETS_URL: "http://127.0.0.1:9" },
      { exitCode: 2 },
    ],
    [[...output, ...confirmed], stranger, { exitCode: 4, code: "FORBIDDEN" }],
  ] as const) {
    expect(await failing(["keys", "emergency-rotate", ...args], variables)).toMatchObject(expected);
  }
  await expect(stat(file("never.json"))).rejects.toThrow("ENOENT");
  const status = await fixture.secrets.admin.masterKeys.status(operator);
  expect(status.versions).toHaveLength(1);
});

test("a compromise is answered with new keys, and with the list of what to replace at its providers", async () => {
  const args = [
    "keys",
    "emergency-rotate",
    "--output",
    file("list.json"),
    ...confirmed,
    "--revoke-credentials",
  ];
  const done = await cli(args, environment);
  expect(done.exitCode, done.stderr).toBe(0);
  expect(done.stdout).toMatch(/^Version 2 of the master key is in use, and 2 companies have new keys\./);
  expect(done.stdout).toMatch(/^acmecorp\nSECRET KEY.*\nSTRIPE_SECRET_KEY .* 1 .*Z +…0001$/m);
  expect(done.stdout).toMatch(/^globex\nSECRET KEY.*\nSTRIPE_SECRET_KEY /m);
  expect(done.stderr).toMatch(/^2 of 2 companies: globex$/m);
  expect(done.stdout + done.stderr).not.toContain("sk_test");
  const list = JSON.parse(await readFile(file("list.json"), "utf8"));
  expect(list).toMatchObject({
    masterKeyVersion: 2,
    companies: 2,
    revoked: { operators: 1 },
    remainders: [],
  });
  expect(list.credentials).toMatchObject([
    {
      company: "acmecorp",
      secretKey: "STRIPE_SECRET_KEY",
      version: 1,
      location: "database",
      lastFour: "0001",
    },
    { company: "globex", secretKey: "STRIPE_SECRET_KEY", version: 1, location: "infisical" },
  ]);
  expect((await stat(file("list.json"))).mode & 0o777).toBe(0o600);
  expect((await readdir(directory)).filter((name) => name.endsWith(".age"))).toHaveLength(1);
  expect(await failing(["keys", "rotate-company", "acmecorp"], environment)).toMatchObject({
    code: "UNAUTHENTICATED",
  });
});
