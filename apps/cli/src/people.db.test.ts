import { beforeAll, expect, test } from "vitest";
import { createFixture, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, failing, type Outcome } from "./testing/run-cli.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
  await fixture.secrets.admin.companies.create(operator, { subdomain: "acmecorp", secretStore: "database" });
  await fixture.secrets.admin.companies.create(operator, {
    subdomain: "codewiser",
    secretStore: "infisical",
  });
});

const acme = ["--company", "acmecorp"];
const run = (...args: readonly string[]): Promise<Outcome> => cli(args, fixture.remote);

test("people are added to a company, given another role, shut out and taken out of it", async () => {
  const { members, users } = fixture.secrets.admin;
  const ids = new Map<string, string>();
  for (const name of ["eve", "zoe", "yan", "max"]) {
    const member = { email: `${name}@example.com`, name, role: "member" } as const;
    ids.set(name, (await members.add(operator, "acmecorp", member)).userId);
  }
  const idOf = (name: string): string => ids.get(name) ?? "";
  await users.disable(operator, idOf("yan"));
  const ada = ["members", "add", "Ada@Example.com", ...acme, "--name", "Ada ☕", "--role"];
  const outcomes = await Promise.all([
    run(...ada, "owner"),
    run("members", "role", idOf("eve"), ...acme, "--role", "auditor"),
    run("users", "disable", idOf("zoe")),
    run("users", "enable", idOf("yan")),
    run("members", "remove", idOf("max"), ...acme, "--yes"),
  ]);
  expect(outcomes.map(({ stdout }) => stdout)).toEqual([
    expect.stringMatching(/^ada@example\.com \(\S{36}\) is now owner of acmecorp\.\n$/),
    "eve@example.com is now auditor of acmecorp.\n",
    `${idOf("zoe")} is shut out.\n`,
    `${idOf("yan")} is let in again.\n`,
    `${idOf("max")} does not belong to acmecorp any more.\n`,
  ]);
  const { stdout } = await run("members", "list", ...acme);
  expect(stdout).toMatch(/^ada@example\.com +Ada ☕ +owner /m);
  expect(stdout).toMatch(new RegExp(`^eve@example\\.com +eve +auditor .*${idOf("eve")}$`, "m"));
  expect(stdout).toMatch(new RegExp(`^zoe@example\\.com +zoe +member .*${idOf("zoe")}  disabled$`, "m"));
  expect(stdout).toMatch(new RegExp(`^yan@example\\.com +yan +member .*${idOf("yan")}$`, "m"));
  expect(stdout).not.toContain("max@");
  const everybody = (await run("users", "list")).stdout;
  expect(everybody).toMatch(new RegExp(`^zoe@example\\.com +disabled +1 +${idOf("zoe")}$`, "m"));
  expect(everybody).toMatch(new RegExp(`^max@example\\.com +active +0 +${idOf("max")}$`, "m"));

  const owner = (await members.list(operator, "acmecorp")).find(({ role }) => role === "owner");
  const last = ["members", "remove", owner?.userId ?? "", ...acme, "--yes"];
  expect(await failing(last, fixture.remote)).toMatchObject({ exitCode: 5, code: "CONFLICT" });
  expect(await failing(last.slice(0, -1), fixture.remote)).toMatchObject({ exitCode: 2 });
  expect(await failing([...ada, "owner"], fixture.remote)).toMatchObject({ exitCode: 5, code: "CONFLICT" });
  expect(await failing([...ada, "root"], fixture.remote)).toMatchObject({ exitCode: 2, code: "USAGE" });
  const stranger = ["users", "disable", crypto.randomUUID()];
  expect(await failing(stranger, fixture.remote)).toMatchObject({ exitCode: 3, code: "NOT_FOUND" });
});

test("people are invited, invited again, and an invitation is revoked", async () => {
  const invited = await run("members", "invite", "Uma@Example.com", ...acme, "--role", "auditor");
  expect(invited.stdout).toMatch(
    /^uma@example\.com is invited to be auditor of acmecorp, until \S+ \S+Z\.\n$/,
  );
  const [invitation] = await fixture.secrets.admin.invitations.list(operator, "acmecorp");
  const id = invitation?.id ?? "";
  expect((await run("invitations", "list", ...acme)).stdout).toMatch(
    new RegExp(`^uma@example\\.com +auditor .*${id}$`, "m"),
  );
  expect((await run("invitations", "resend", id, ...acme)).stdout).toMatch(
    /^uma@example\.com gets another link/,
  );
  expect((await run("invitations", "revoke", id, ...acme)).stdout).toBe(`The invitation ${id} is revoked.\n`);
  expect((await run("invitations", "list", ...acme)).stdout).toMatch(/no open invitations/);
});

test("revoking a person's access lists the API keys that they made, and a flag revokes these too", async () => {
  const { authenticate } = fixture.secrets;
  const { members, apiKeys } = fixture.secrets.admin;
  const expiresAt = new Date(Date.now() + 3_600_000);
  const made: string[] = [];
  const admin = async (name: string): Promise<string> => {
    const person = { email: `${name}@example.com`, name, role: "admin" } as const;
    const { userId } = await members.add(operator, "acmecorp", person);
    const caller = await authenticate({ headers: new Headers({ "x-test-user": userId }) });
    const key = {
      platform: false,
      companies: ["acmecorp"],
      verbs: ["use"],
      secretKeys: ["*"],
      expiresAt,
    } as const;
    made.push((await apiKeys.create(caller, { ...key, name: `of ${name}` })).apiKey);
    return userId;
  };
  const works = (credential = "") =>
    authenticate({ credential }).then(
      () => true,
      () => false,
    );
  const [tom, ann] = [await admin("tom"), await admin("ann")];
  const removed = await run("members", "remove", tom, ...acme, "--yes");
  expect(removed).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(
      /any more\.\nAPI keys that were made with this access, and stay valid:\n.*\n.* of tom +acmecorp /,
    ),
    stderr: expect.stringContaining("--revoke-api-keys"),
  });
  const disabled = await run("users", "disable", ann, "--revoke-api-keys");
  expect(disabled.stdout).toMatch(
    /is shut out\.\nAPI keys that were made with this access, and are revoked:\n.*\n.* of ann +acmecorp /,
  );
  expect(await Promise.all(made.map(works))).toEqual([true, false]);
  const json = await run("users", "disable", tom, "--revoke-api-keys", "--json");
  expect(JSON.parse(json.stdout)).toMatchObject({ apiKeys: [{ name: "of tom" }], apiKeysRevoked: true });
  expect(await Promise.all(made.map(works))).toEqual([false, false]);
});

test("an API key with an address is no good from elsewhere", async () => {
  const given = ["--name", "office", "--verbs", "describe", "--secret-keys", "*", "--expires-in", "1d"];
  const create = ["api-keys", "create", ...acme, ...given];
  const made = await run(...create, "--address", "192.0.2.0/24", "--address", "2001:DB8::1", "--json");
  const { apiKey, description } = JSON.parse(made.stdout);
  expect(description.addresses).toEqual(["192.0.2.0/24", "2001:db8::1"]);
  expect((await run("api-keys", "list", ...acme)).stdout).toContain("192.0.2.0/24,2001:db8::1");
  // The test's server does not say from where it is asked.
  const asService = { ...fixture.remote, TENANT_SECRETS_API_KEY: apiKey };
  expect(await failing(["list", ...acme], asService)).toMatchObject({ exitCode: 4, code: "UNAUTHENTICATED" });
  const wrong = [...create, "--address", "office"];
  expect(await failing(wrong, fixture.remote)).toMatchObject({ exitCode: 2, code: "INVALID_INPUT" });
});

test("a leaked value is found by whose it is, and comes from standard input alone", async () => {
  const value = "fake_leaked_cli_0001";
  await fixture.secrets.company("acmecorp", product).set("CUSTOM_A", value);
  await fixture.secrets.company("acmecorp", product).set("CUSTOM_A", "fake_next_0001");
  const found = await cli(["search"], fixture.remote, `${value}\n`);
  expect(found.stdout).toMatch(/^acmecorp +CUSTOM_A +1 +earlier\n$/m);
  expect(found.stderr).toContain("Searched 1 companies");
  expect(found.stderr).toContain("1 whose values are in Infisical");
  expect(found.stdout + found.stderr).not.toContain(value);
  const json = await cli(["search", ...acme, "--json"], fixture.remote, "fake_of_nobody");
  expect(JSON.parse(json.stdout)).toMatchObject({ matches: [], complete: true, searched: 1 });
  const typed = await failing(["search", value], fixture.remote);
  expect(typed).toMatchObject({ code: "USAGE", message: expect.stringContaining("never an argument") });
  expect(typed.message).not.toContain(value);
});
