import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { whenDone } from "@repo/db/testing";
import { type LocalOAuth, startLocalOAuth } from "@repo/providers/oauth";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openServices, type OpenServices } from "./open-services.ts";
import { createFixture, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, type Environment, failing, printed } from "./testing/run-cli.ts";

// What docs/rotation-drivers.md says, done as it says it: its roles, its catalogue, its commands.

const page = readFileSync(new URL("../../../docs/rotation-drivers.md", import.meta.url), "utf8");
const blockWith = (text: string): string => {
  const blocks = [...page.matchAll(/```\w+\n([^]*?)```/g)].map(([, block = ""]) => block);
  const found = blocks.find((block) => block.includes(text));
  if (found === undefined) throw new Error(`the page has no block with ${text}`);
  return found;
};

// Inside of the package, so that the module finds the packages that it imports.
const folder = mkdtempSync(path.join(import.meta.dirname, "../node_modules/own-drivers-"));
whenDone(async () => rmSync(folder, { recursive: true }));

let fixture: Fixture;
let oauth: LocalOAuth;
let superuser: postgres.Sql;
let shop: { readonly host: string; readonly port: number; readonly database: string };
let environment: Environment;
let services: OpenServices;

beforeAll(async () => {
  fixture = await createFixture();
  oauth = await startLocalOAuth();
  await fixture.secrets.admin.companies.create(operator, { subdomain: "acmecorp", secretStore: "database" });
  superuser = postgres(fixture.superuserUrl, { onnotice: () => {} });
  const { hostname, port } = new URL(fixture.superuserUrl);
  // Roles are the server's, whose other databases are of other tests.
  const suffix = randomBytes(4).toString("hex");
  const named = (text: string) => text.replaceAll(/\bshop(?=_|\b(?![.-]))/g, `shop${suffix}`);
  shop = { host: hostname, port: Number(port), database: named("shop") };
  await superuser.unsafe(`create database ${shop.database}`);
  await superuser.unsafe(named(blockWith("create role shop_a")));
  const module = path.join(folder, `${randomUUID()}.mjs`);
  const source = named(blockWith("secrets-catalog.ts")).replace("https://auth.acme.example", oauth.url);
  writeFileSync(module, source);
  environment = {
    ...fixture.local,
    SECRETS_CATALOG: module,
    TENANT_SECRETS_API_KEY: await fixture.apiKey(["acmecorp"]),
    TENANT_SECRETS_OPERATOR_TOKEN: fixture.operatorToken,
    ROTATION_POSTGRES_HOSTS: new URL(fixture.superuserUrl).host,
    OUTBOUND_ALLOW: new URL(oauth.url).host,
  };
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  services = await openServices();
  vi.unstubAllEnvs();
  const { clientId, clientSecret } = oauth.addClient();
  const { accessToken, refreshToken } = oauth.connect({ clientId });
  files = {
    "shop-a.json": { ...shop, user: named("shop_a"), password: "fake-first" },
    "manager.json": { ...shop, user: named("shop_manager"), password: "fake-manager" },
    "client.json": { clientId, clientSecret },
    "tokens.json": { accessToken, refreshToken },
  };
}, 60_000);

afterAll(async () => {
  await services[Symbol.asyncDispose]();
  await superuser.end();
  await oauth.stop();
});

let files: Readonly<Record<string, object>>;

/** What is in the store now. */
const values = () => services.secrets.company("acmecorp", product);
const valueOf = async (secretKey: `CUSTOM_${string}`) =>
  Object(await values().get(secretKey)) as Record<string, string>;

/** The lines of the page about a secret and its manager. Values are written here, since a process takes long to begin. @returns the run */
async function follow(about: RegExp): Promise<string> {
  let last = "";
  for (const line of blockWith("rotation now ACME_TOKENS")
    .split("\n")
    .filter((each) => about.test(each))) {
    const [, command = "", file] = /^pnpm secrets ([^<#]+?) *(?:< (\S+) *)?(?:#.*)?$/.exec(line) ?? [];
    const args = command.split(" ");
    if (file === undefined) last = (await printed(args, environment)).stdout.trim();
    else await store(args[1] ?? "", files[file] ?? {});
  }
  return last;
}

const store = (secretKey: string, value: object) => values().set(customKey(secretKey), Object(value));
/** The types are those of a catalogue that is known when the tests are compiled. */
function customKey(secretKey: string): `CUSTOM_${string}` {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the catalogue of the page has it
  return secretKey as `CUSTOM_${string}`;
}

/** Drives a run as jobs do, without the waits. */
async function drive(run: string, until: string): Promise<void> {
  const { admin } = services.secrets;
  for (let i = 0; i < 20; i++) {
    const { phase, reason } = await admin.rotation.run(operator, "acmecorp", run);
    if (phase === until) return;
    expect(reason).toBeUndefined();
    await superuser`update runs set not_before = now() where id = ${run} and not_before > now()`;
    await admin.runs.work["rotate-secret"]?.(run, new AbortController().signal);
  }
  throw new Error("the run takes too many steps");
}

test("a value of the page is stored by its command", async () => {
  const set = ["set", "SHOP_DATABASE", "--company", "acmecorp"];
  expect(await cli(set, environment, JSON.stringify(files["shop-a.json"]))).toMatchObject({ exitCode: 0 });
});

test("a PostgreSQL login is rotated by the page alone, from its roles to a login of the other role", async () => {
  const run = await follow(/SHOP_DATABASE/);
  await drive(run, "watch");
  const login = await valueOf(customKey("SHOP_DATABASE"));
  expect(login).toMatchObject({ ...shop, user: expect.stringMatching(/_b$/) });
  const { host, database, user = "", password = "" } = { ...shop, ...login };
  const session = postgres({ host, port: shop.port, database, user, password, max: 1 });
  expect(await session`select current_user::text as user`).toEqual([{ user }]);
  await session.end();
});

test("OAuth tokens are exchanged by the page alone, and next before their end", async () => {
  const before = files["tokens.json"];
  const run = await follow(/ACME_/);
  await drive(run, "done");
  const tokens = await valueOf(customKey("ACME_TOKENS"));
  expect(tokens["accessToken"]).not.toBe(Object(before)["accessToken"]);
  expect(tokens["refreshToken"]).not.toBe(Object(before)["refreshToken"]);
  const shown = await printed(["rotation", "show", "--company", "acmecorp", "--json"], environment);
  const { policies } = JSON.parse(shown.stdout) as {
    policies: { secretKey: string; schedule: object; nextDueAt: string }[];
  };
  const policy = policies.find(({ secretKey }) => secretKey === "ACME_TOKENS");
  expect(policy?.schedule).toEqual({ beforeExpiry: "PT5M" });
  const leadMs = Date.parse(tokens["expiresAt"] ?? "") - Date.parse(policy?.nextDueAt ?? "");
  expect(leadMs).toBeGreaterThan(4 * 60_000);
  expect(leadMs).toBeLessThanOrEqual(5 * 60_000);
});

const setPolicy = ["rotation", "set", "SHOP_DATABASE", "--company", "acmecorp"];
const managed = [...setPolicy, "--manager", "SHOP_DATABASE_MANAGER"];
const storeLogin = (changes: object) => store("SHOP_DATABASE", { ...files["shop-a.json"], ...changes });

test("a policy is refused whose value names another server, or the database of this deployment", async () => {
  const own = new URL(fixture.local["DATABASE_URL"] ?? "");
  for (const [changes, why] of [
    [
      { host: "db.evil.example" },
      /the value of the secret names a server that is not in ROTATION_POSTGRES_HOSTS/,
    ],
    [
      { database: own.pathname.slice(1) },
      /the value of the secret names the database of this deployment itself/,
    ],
    [{ user: "postgres" }, /the value of the secret has a user that is not in the settings/],
  ] as const) {
    await storeLogin(changes);
    const failure = await failing(managed, environment);
    expect(failure).toMatchObject({
      exitCode: 2,
      code: "INVALID_INPUT",
      message: expect.stringMatching(why),
    });
    expect(failure.message).not.toContain("evil");
  }
  await storeLogin({});
  expect(await failing(setPolicy, environment)).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("name it as the --manager"),
  });
  expect(await failing([...setPolicy, "--manager", "CUSTOM_NONE"], environment)).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("that has a value"),
  });
});

test("one role is allowed, with a warning as it is saved", async () => {
  await storeLogin({});
  const settings = JSON.stringify({ role: Object(files["shop-a.json"])["user"] });
  const asked = [...managed, "--driver", "postgres-one-role", "--settings", settings];
  const { stderr } = await printed(asked, environment);
  expect(stderr).toMatch(/^The old password ends as soon as the new one is set/m);
  const { stdout } = await printed([...asked, "--json"], environment);
  expect(JSON.parse(stdout)).toMatchObject({ warning: expect.stringContaining("postgres-role") });
});

test("a command does not begin where a server of the list is malformed, or is this machine outside of dev", async () => {
  const list = ["rotation", "show", "--company", "acmecorp"];
  expect(await failing(list, { ...environment, ROTATION_POSTGRES_HOSTS: "postgres://x" })).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("ROTATION_POSTGRES_HOSTS holds a part that is not a host"),
  });
  expect(await failing(list, { ...environment, INFISICAL_ENVIRONMENT: "prod" })).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("ROTATION_POSTGRES_HOSTS names an address of this machine"),
  });
});
