import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFixture, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, cliProcess, failing } from "./testing/run-cli.ts";

let fixture: Fixture;
let directory: string;

beforeAll(async () => {
  fixture = await createFixture();
  directory = await mkdtemp(path.join(tmpdir(), "secrets-cli-"));
  await fixture.secrets.admin.companies.create(operator, { subdomain: "acmecorp", secretStore: "hybrid" });
});

afterAll(() => rm(directory, { recursive: true, force: true }));

test("without an API the same commands do the work by themselves, with credentials from files", async () => {
  const file = path.join(directory, "api-key");
  await writeFile(file, `${await fixture.apiKey(["acmecorp"])}\n`);
  const environment = { ...fixture.local, TENANT_SECRETS_API_KEY_FILE: file };
  const secret = ["STRIPE_SECRET_KEY", "--company", "acmecorp"];
  expect(await cliProcess(["set", ...secret], environment, "sk_test_fake_acmecorp_0001\n")).toEqual({
    exitCode: 0,
    stdout: "STRIPE_SECRET_KEY of acmecorp is now at version 1.\n",
    stderr: "",
  });
  expect(await fixture.secrets.company("acmecorp", product).get("STRIPE_SECRET_KEY")).toBe(
    "sk_test_fake_acmecorp_0001",
  );
});

test("an operator is made next to the database, and works at once", async () => {
  const create = ["operators", "create", "alice", "--expires-in", "90d"];
  const made = await cli(create, fixture.local);
  expect(made).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^tso_\S+\n$/) });
  expect(made.stderr).toMatch(/will not be shown again/);
  expect(made.stderr).not.toContain(made.stdout.trim());
  expect(await failing(create, { ...fixture.local, ...fixture.remote })).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("unset TENANT_SECRETS_URL"),
  });
  const { actor } = await fixture.secrets.authenticate({ credential: made.stdout.trim() });
  expect(actor.kind).toBe("operator");

  const listed = await cli(["operators", "list", "--json"], fixture.local);
  expect(JSON.parse(listed.stdout)).toContainEqual(expect.objectContaining({ id: actor.id, name: "alice" }));
  expect(listed.stdout).not.toContain(made.stdout.trim());
  expect(await cli(["operators", "revoke", actor.id], fixture.local)).toMatchObject({ exitCode: 0 });
  await expect(fixture.secrets.authenticate({ credential: made.stdout.trim() })).rejects.toMatchObject({
    code: "UNAUTHENTICATED",
  });
  expect(await failing(["operators", "revoke", "nobody"], fixture.local)).toMatchObject({ exitCode: 3 });
});

test("what does not fit is told apart: environment, master key, a role that sees everything, a lost database", async () => {
  const environment = { ...fixture.local, TENANT_SECRETS_API_KEY: await fixture.apiKey(["acmecorp"]) };
  const list = ["list", "--company", "acmecorp"];
  const gone = "postgres://nobody:canary-password@127.0.0.1:1/nothing";

  expect(await failing(list, { ...environment, DATABASE_URL: "" })).toMatchObject({
    exitCode: 2,
    message: expect.stringMatching(/DATABASE_URL is not set[^]*set TENANT_SECRETS_URL/),
  });
  expect(await failing(list, { ...environment, DATABASE_URL: fixture.superuserUrl })).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("is a superuser"),
  });
  const unavailable = await failing(list, { ...environment, DATABASE_URL: gone });
  expect(unavailable).toMatchObject({ exitCode: 7, code: "DATABASE_UNAVAILABLE" });
  expect(unavailable.message).not.toContain("canary-password");
  const create = ["operators", "create", "bob", "--expires-in", "1h"];
  expect(await failing(create, { ...environment, MASTER_KEY_REGION: "nowhere" })).toMatchObject({
    exitCode: 1,
    code: "MASTER_KEY_WRONG",
  });
});

test("a person is linked and unlinked, and the list shows them", async () => {
  const link = ["operators", "link", "Ops@Example.com", "--name", "Night shift", "--expires-in", "90d"];
  const linked = await cli(link, fixture.local);
  expect(linked.stdout).toMatch(/^ops@example\.com may act as operator \S{36} until /);
  expect((await cli(["operators", "list"], fixture.local)).stdout).toMatch(
    /^\S{36} +Night shift +session +ops@example\.com +/m,
  );
  const unlink = ["operators", "unlink", "ops@example.com"];
  expect(await cli([...unlink, "--json"], fixture.local)).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining('"unlinked":true'),
  });
  expect(await failing(unlink, fixture.local)).toMatchObject({ exitCode: 3, code: "NOT_FOUND" });
  expect(await failing(["operators", "link", "nobody", "--expires-in", "90d"], fixture.local)).toMatchObject({
    exitCode: 2,
    code: "INVALID_INPUT",
  });
});
