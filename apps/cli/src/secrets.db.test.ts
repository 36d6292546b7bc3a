import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { beforeAll, describe, expect, test } from "vitest";
import { createFixture, listen, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, cliProcess, failing, startCli, type Outcome } from "./testing/run-cli.ts";

const canary = "sk_test_fake_canary_0001";

let fixture: Fixture;
let acmecorp: Readonly<Record<string, string>>;

beforeAll(async () => {
  fixture = await createFixture();
  const { companies } = fixture.secrets.admin;
  await companies.create(operator, { subdomain: "acmecorp", secretStore: "database" });
  await companies.create(operator, { subdomain: "codewiser", secretStore: "infisical" });
  await companies.create(operator, { subdomain: "another-company", secretStore: "database" });
  const apiKey = await fixture.apiKey(["acmecorp", "codewiser"]);
  acmecorp = { ...fixture.remote, TENANT_SECRETS_API_KEY: apiKey };
  await fixture.secrets.company("another-company", product).set("CUSTOM_THEIRS", canary);
});

/** Runs a command on acmecorp, over HTTP. */
async function run(line: string, input?: string | Uint8Array): Promise<Outcome> {
  return cli([...line.split(" "), "--company", "acmecorp"], acmecorp, input);
}

/** The same as a shell does, with pipes. */
async function runProcess(line: string, input?: string | Uint8Array): Promise<Outcome> {
  return cliProcess([...line.split(" "), "--company", "acmecorp"], acmecorp, input);
}

describe("set and get", () => {
  test("carry a value byte for byte, but for a byte order mark in front and one newline at the end", async () => {
    const value = "zo\u0308e\uFEFF 👩‍💻 \u001b[31m\r\n";
    expect(await runProcess("set CUSTOM_BYTES", `\uFEFF${value}\n`)).toEqual({
      exitCode: 0,
      stdout: "CUSTOM_BYTES of acmecorp is now at version 1.\n",
      stderr: "",
    });
    expect(await runProcess("get CUSTOM_BYTES")).toEqual({ exitCode: 0, stdout: value, stderr: "" });
  });

  test("keep the newline that they are told to keep, and drop one of Windows", async () => {
    await Promise.all([
      run("set CUSTOM_KEPT --keep-newline", "\r\n-----END-----\n"),
      run("set CUSTOM_DROPPED", "\r\ntext\r\n"),
    ]);
    expect(await fixture.secrets.company("acmecorp", product).get("CUSTOM_KEPT")).toBe("\r\n-----END-----\n");
    expect(await fixture.secrets.company("acmecorp", product).get("CUSTOM_DROPPED")).toBe("\r\ntext");
  });

  test("refuse a value among the arguments, and write nothing", async () => {
    const [positional, option] = await Promise.all([
      run(`set CUSTOM_ARGV ${canary}`, "from standard input"),
      run(`set CUSTOM_ARGV --value=${canary}`, "from standard input"),
    ]);
    expect([positional.exitCode, option.exitCode]).toEqual([2, 2]);
    expect(positional.stderr).toMatch(/^USAGE: A value is never an argument: .* Nothing was written/);
    expect(Object.values({ ...positional, ...option }).join("")).not.toContain(canary);
    expect(await fixture.secrets.company("acmecorp", product).find("CUSTOM_ARGV")).toBeUndefined();
  });

  test("input that is not UTF-8 or too long is rejected", async () => {
    const [garbage, long] = await Promise.all([
      run("set CUSTOM_BAD", new Uint8Array([0x73, 0x6b, 0xff])),
      runProcess("set CUSTOM_BAD", "x".repeat(200_000)),
    ]);
    expect(garbage.stderr).toMatch(/^INVALID_VALUE: .*UTF-8/);
    expect(long.stderr).toMatch(/^INVALID_VALUE: .*65536 bytes/);
    expect([garbage.exitCode, long.exitCode]).toEqual([6, 6]);
  });

  test("generate says the version of a value that it does not show, and that get prints", async () => {
    const generated = await run("generate WEBHOOK_SIGNING_SECRET");
    const { stdout: value } = await run("get WEBHOOK_SIGNING_SECRET");
    expect(value).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(generated).toEqual({
      exitCode: 0,
      stdout: "WEBHOOK_SIGNING_SECRET of acmecorp is now at version 1, a value that the server made.\n",
      stderr: "",
    });
  });

  test("answer in JSON, with the version", async () => {
    const written = await run(
      "set CUSTOM_JSON --json --expected-version 0 --request-id r-1 --note why",
      'a "b"\n',
    );
    expect(JSON.parse(written.stdout)).toEqual({ company: "acmecorp", secretKey: "CUSTOM_JSON", version: 1 });
    const read = await run("get CUSTOM_JSON --json");
    expect(JSON.parse(read.stdout)).toEqual({
      company: "acmecorp",
      secretKey: "CUSTOM_JSON",
      version: 1,
      value: 'a "b"',
    });
  });
});

describe("list and remove", () => {
  test("lists show no value, mark secrets outside the catalogue, and say that Infisical forgets", async () => {
    await fixture.infisical.putSecret("/tenants/codewiser", "OLD_THING", canary);
    await fixture.secrets.company("codewiser", product).set("STRIPE_SECRET_KEY", canary);
    const codewiser = (...args: string[]): Promise<Outcome> =>
      cli([...args, "--company", "codewiser"], acmecorp);
    const [listed, json, unasked] = await Promise.all([
      codewiser("list"),
      codewiser("list", "--json"),
      codewiser("remove", "OLD_THING"),
    ]);
    expect(listed.stdout).toMatch(
      /^SECRET KEY +VERSION +PENDING +LOCATION +LAST FOUR +UPDATED +EXPIRES +LAST USED +CHECK$/m,
    );
    expect(listed.stdout).toMatch(/^OLD_THING +1 +infisical .*not in the catalogue$/m);
    expect(listed.stdout).toMatch(/^STRIPE_SECRET_KEY +1 +infisical +\d{4}-\d\d-\d\d \d\d:\d\dZ$/m);
    expect(JSON.parse(json.stdout)).toMatchObject({
      company: "codewiser",
      store: "infisical",
      secrets: [
        { secretKey: "OLD_THING", inCatalog: false },
        { secretKey: "STRIPE_SECRET_KEY", inCatalog: true },
      ],
    });
    expect(listed.stdout + json.stdout + listed.stderr + json.stderr).not.toContain(canary);
    expect(unasked).toMatchObject({ exitCode: 2, stdout: "", stderr: expect.stringContaining("--yes") });
    expect((await codewiser("remove", "OLD_THING", "--yes")).stdout).toMatch(/gone for good/);
    expect(await fixture.infisical.findSecret("/tenants/codewiser", "OLD_THING")).toBeUndefined();
  });

  test("say what of a hybrid company is only in Infisical, missing for now or left there, and delete it there", async () => {
    await fixture.secrets.admin.companies.create(operator, {
      subdomain: "hybridcorp",
      secretStore: "hybrid",
    });
    const environment = { ...fixture.remote, TENANT_SECRETS_API_KEY: await fixture.apiKey(["hybridcorp"]) };
    const hybridcorp = (...args: string[]) => cli([...args, "--company", "hybridcorp"], environment);
    await fixture.secrets.company("hybridcorp", product).set("CUSTOM_HERE", canary);
    await fixture.infisical.putSecret("/tenants/hybridcorp", "CUSTOM_OUTSIDE", canary);
    await fixture.infisical.putSecret("/tenants/hybridcorp", "_OLD", canary);
    expect((await hybridcorp("list")).stdout).toMatch(/^_OLD .*no name for a secret here$/m);
    fixture.emulator.faults.add({ kind: "answer", status: 503 }, { path: /secrets/, times: 3 });
    const partial = await hybridcorp("list");
    fixture.emulator.faults.clear();
    expect(partial).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("Not complete") });
    expect(partial.stdout).toMatch(/^CUSTOM_HERE /m);
    expect(partial.stdout).not.toContain("CUSTOM_OUTSIDE");

    const removed = await hybridcorp("remove", "CUSTOM_OUTSIDE", "--yes");
    expect(removed.stdout).toBe("CUSTOM_OUTSIDE of hybridcorp is removed here, without a copy to restore.\n");
    const line = "remove CUSTOM_OUTSIDE --company hybridcorp --in-infisical";
    expect(removed.stderr).toContain(line);
    expect((await cli([...line.split(" "), "--yes"], environment)).stdout).toBe(
      "CUSTOM_OUTSIDE of hybridcorp is gone for good: it has no copy to restore.\n",
    );
    expect(await fixture.infisical.findSecret("/tenants/hybridcorp", "CUSTOM_OUTSIDE")).toBeUndefined();
  });

  test("say until when a removed secret can be restored, and restore it", async () => {
    await fixture.secrets.company("acmecorp", product).set("CUSTOM_REMOVED", "value");
    const removed = await run("remove CUSTOM_REMOVED --yes --json");
    const { recoverUntil } = JSON.parse(removed.stdout);
    expect(Date.parse(recoverUntil)).toBeGreaterThan(Date.now());
    expect(await fixture.secrets.company("acmecorp", product).find("CUSTOM_REMOVED")).toBeUndefined();
    expect((await run("removed")).stdout).toMatch(/^CUSTOM_REMOVED +1 .* service /m);
    const restored = await run("restore CUSTOM_REMOVED --json");
    expect(JSON.parse(restored.stdout)).toMatchObject({ secretKey: "CUSTOM_REMOVED", version: 1 });
    expect(await fixture.secrets.company("acmecorp", product).find("CUSTOM_REMOVED")).toBe("value");
  });

  test("a closed pipe ends the output without an error", async () => {
    const child = startCli(["list", "--company", "acmecorp"], acmecorp);
    child.stdout.destroy();
    expect(await text(child.stderr)).toBe("");
  });
});

describe("exit codes", () => {
  test("3: another company's secret, in the words for a missing one", async () => {
    const foreign = await cli(["get", "CUSTOM_THEIRS", "--company", "another-company"], acmecorp);
    const missing = await failing(["get", "CUSTOM_MISSING", "--company", "acmecorp"], acmecorp);
    const unknown = await cli(["list", "--company", "unknown", "--json"], acmecorp);
    expect(missing).toMatchObject({ code: "NOT_FOUND", exitCode: 3 });
    expect(foreign).toEqual({ exitCode: 3, stdout: "", stderr: `NOT_FOUND: ${missing.message}\n` });
    expect(unknown).toMatchObject({ exitCode: 3, stdout: "" });
    expect(JSON.parse(unknown.stderr)).toEqual({ error: { code: "NOT_FOUND", message: missing.message } });
  });

  test("4: a credential that is wrong, or may not", async () => {
    const get = ["get", "CUSTOM_X", "--company", "acmecorp"];
    const describeOnly = await fixture.apiKey(["acmecorp"], { verbs: ["describe"] });
    const wrong = await cli(get, { ...acmecorp, TENANT_SECRETS_API_KEY: canary });
    expect(wrong).toMatchObject({
      exitCode: 4,
      stdout: "",
      stderr: expect.stringMatching(/^UNAUTHENTICATED: /),
    });
    expect(wrong.stderr).not.toContain(canary);
    const narrow = await failing(get, { ...acmecorp, TENANT_SECRETS_API_KEY: describeOnly });
    expect(narrow).toMatchObject({ exitCode: 4, code: "FORBIDDEN" });
  });

  test("5: the secret was changed concurrently, with its current version", async () => {
    await fixture.secrets.company("acmecorp", product).set("CUSTOM_RACE", "first");
    const outcome = await runProcess("set CUSTOM_RACE --expected-version 0 --json", canary);
    expect(outcome).toMatchObject({ exitCode: 5, stdout: "" });
    expect(JSON.parse(outcome.stderr)).toMatchObject({ error: { code: "CONFLICT", currentVersion: 1 } });
    expect(outcome.stderr).not.toContain(canary);
  });

  test("6: a secret key or value that is not valid, with a suggestion", async () => {
    const misspelt = await failing(["get", "STRIPE_SECRET_KYE", "--company", "acmecorp"], acmecorp);
    const invalid = await run("set STRIPE_SECRET_KEY", `not stripe's ${canary}`);
    expect(misspelt).toMatchObject({
      exitCode: 6,
      message: expect.stringContaining("did you mean STRIPE_SECRET_KEY?"),
    });
    expect(invalid).toMatchObject({
      exitCode: 6,
      stdout: "",
      stderr: expect.stringMatching(/^INVALID_VALUE: /),
    });
    expect(invalid.stderr).not.toContain(canary);
  });

  test("7: an API that does not answer", async () => {
    const nowhere = { ...acmecorp, TENANT_SECRETS_URL: "http://127.0.0.1:1" };
    const outcome = await cli(["set", "CUSTOM_X", "--company", "acmecorp"], nowhere, canary);
    expect(outcome).toMatchObject({ exitCode: 7, stderr: expect.stringMatching(/^STORE_UNAVAILABLE: /) });
    expect(outcome.stderr).not.toContain(canary);
  });

  test("7: an API that sends elsewhere, where the credential does not follow", async () => {
    const asked: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url);
      response.writeHead(307, { location: "/elsewhere" }).end();
    });
    const url = await listen(server);
    const redirected = await failing(["get", "CUSTOM_X", "--company", "acmecorp"], {
      ...acmecorp,
      TENANT_SECRETS_URL: url,
    });
    server.close();
    server.closeAllConnections();
    expect(redirected).toMatchObject({ exitCode: 7, code: "STORE_UNAVAILABLE" });
    expect(asked).toEqual(["/trpc/secrets.read"]);
  });
});

test("hostile names are refused, and act on no terminal", async () => {
  const escapes = await run("get \u001b[2J\u009bK\u202eYEK");
  expect(escapes).toMatchObject({ exitCode: 6, stdout: "" });
  expect(escapes.stderr).toMatch(/^[^\p{Cc}\p{Cf}]+\n$/u);
  const prototype = await failing(["get", "__proto__", "--company", "acmecorp"], acmecorp);
  const outside = await failing(["list", "--company", "../another-company"], acmecorp);
  expect([prototype.exitCode, outside.exitCode]).toEqual([6, 3]);
});
