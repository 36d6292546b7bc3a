import { beforeAll, expect, test } from "vitest";
import { createFixture, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, failing, type Outcome } from "./testing/run-cli.ts";

let fixture: Fixture;

beforeAll(async () => {
  fixture = await createFixture();
});

/** Runs a command as an operator, over HTTP. */
async function run(...args: readonly string[]): Promise<Outcome> {
  return cli(args, fixture.remote);
}

function options([name, verbs, secretKeys, expiresIn]: readonly [
  name: string,
  verbs: string,
  secretKeys: string,
  expiresIn: string,
]): string[] {
  return ["--name", name, "--verbs", verbs, "--secret-keys", secretKeys, "--expires-in", expiresIn];
}

test("companies are created, listed and renamed, and a name is given only once", async () => {
  const created = await run("companies", "create", "acmecorp", "--store", "hybrid", "--json");
  const company = JSON.parse(created.stdout);
  expect(company).toMatchObject({ subdomain: "acmecorp", secretStore: "hybrid", status: "active" });
  const again = await failing(["companies", "create", "acmecorp", "--store", "database"], fixture.remote);
  expect(again).toMatchObject({ exitCode: 5, code: "CONFLICT" });
  expect((await run("companies", "rename", "acmecorp", "acme")).stdout).toBe(
    `acmecorp is now acme (${company.id}).\n`,
  );
  const [listed, json] = await Promise.all([run("companies", "list"), run("companies", "list", "--json")]);
  expect(listed.stdout).toMatch(new RegExp(`^acme +hybrid +active +0 +0 +0 +30 days .*${company.id}$`, "m"));
  expect(JSON.parse(json.stdout)).toMatchObject([{ id: company.id, subdomain: "acme" }]);
  expect((await run("companies", "get", "acme")).stdout).toBe(listed.stdout);
  expect((await run("companies", "set-recovery", "acme", "--days", "60")).stdout).toContain("for 60 days");
  const never = await failing(["companies", "set-recovery", "acme", "--days", "91"], fixture.remote);
  expect(never).toMatchObject({ code: "INVALID_INPUT" });
});

test("an API key is shown once, does what it was made for, and ends when it is revoked", async () => {
  await fixture.secrets.admin.companies.create(operator, { subdomain: "billing", secretStore: "database" });
  await fixture.secrets.company("billing", product).set("STRIPE_SECRET_KEY", "sk_test_fake_billing_0001");
  const made = await run(
    "api-keys",
    "create",
    ...options(["pay ☕", "use,describe", "STRIPE_*", "12h"]),
    "--company",
    "billing",
  );
  expect(made.stdout).toMatch(/^tsk_\S+\n$/);
  expect(made.stderr).toMatch(/will not be shown again/);
  expect(made.stderr).not.toContain(made.stdout.trim());
  const asService = { ...fixture.remote, TENANT_SECRETS_API_KEY: made.stdout.trim() };
  const get = ["get", "STRIPE_SECRET_KEY", "--company", "billing"];
  expect((await cli(get, asService)).stdout).toBe("sk_test_fake_billing_0001");

  const [table, json] = await Promise.all([
    run("api-keys", "list", "--company", "billing"),
    run("api-keys", "list", "--company", "billing", "--json"),
  ]);
  expect(table.stdout).toContain("pay ☕");
  expect(table.stdout + json.stdout).not.toContain(made.stdout.trim());
  const [{ id, name, expiresAt }] = JSON.parse(json.stdout);
  expect(name).toBe("pay ☕");
  const hostile = [
    "api-keys",
    "create",
    ...options(["pay\u001b[31m", "use", "*", "12h"]),
    "--company",
    "billing",
  ];
  expect(await failing(hostile, fixture.remote)).toMatchObject({ exitCode: 2, code: "INVALID_INPUT" });
  expect(Date.parse(expiresAt) - Date.now()).toBeLessThanOrEqual(12 * 3_600_000);

  expect(await run("api-keys", "revoke", id, "--company", "billing")).toMatchObject({ exitCode: 0 });
  expect(await failing(get, asService)).toMatchObject({ exitCode: 4, code: "UNAUTHENTICATED" });
});

test("a platform key enters the companies that are named, one option each", async () => {
  for (const subdomain of ["first", "second"]) {
    await fixture.secrets.admin.companies.create(operator, { subdomain, secretStore: "database" });
  }
  const given = options(["worker", "describe", "*", "1d"]);
  const both = ["--company", "first", "--company", "second"];
  const made = await run("api-keys", "create", "--platform", ...both, ...given, "--json");
  const withoutPlatform = await failing(["api-keys", "create", ...both, ...given], fixture.remote);
  expect(JSON.parse(made.stdout)).toMatchObject({
    apiKey: expect.stringMatching(/^tsk_/),
    description: { platform: true, companies: ["first", "second"], verbs: ["describe"], secretKeys: ["*"] },
  });
  expect(withoutPlatform).toMatchObject({ exitCode: 2, code: "INVALID_INPUT" });
});

test("operators' commands take no API key, and secrets' commands read no value for an operator", async () => {
  await fixture.secrets.admin.companies.create(operator, { subdomain: "closed", secretStore: "database" });
  await fixture.secrets.company("closed", product).set("CUSTOM_X", "closed value");
  const apiKey = await fixture.apiKey(["closed"]);
  const service = { ...fixture.remote, TENANT_SECRETS_OPERATOR_TOKEN: apiKey };
  expect(await failing(["companies", "list"], service)).toMatchObject({ exitCode: 4, code: "FORBIDDEN" });
  const asOperator = { ...fixture.remote, TENANT_SECRETS_API_KEY: fixture.operatorToken };
  const get = ["get", "CUSTOM_X", "--company", "closed"];
  expect(await failing(get, asOperator)).toMatchObject({ exitCode: 4, code: "FORBIDDEN" });
});
