import { beforeAll, expect, test } from "vitest";
import { createFixture, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, failing, type Outcome } from "./testing/run-cli.ts";

let fixture: Fixture;
let acmecorp: Readonly<Record<string, string>>;
const transcript: string[] = [];

beforeAll(async () => {
  fixture = await createFixture();
  const { companies } = fixture.secrets.admin;
  await companies.create(operator, { subdomain: "acmecorp", secretStore: "database" });
  await companies.create(operator, { subdomain: "codewiser", secretStore: "infisical" });
  const apiKey = await fixture.apiKey(["acmecorp", "codewiser"]);
  acmecorp = { ...fixture.remote, TENANT_SECRETS_API_KEY: apiKey };
});

async function run(line: string, input = "", ...more: string[]): Promise<Outcome> {
  const outcome = await cli([...line.split(" "), ...more, "--company", "acmecorp"], acmecorp, input);
  transcript.push(`$ secrets ${line} ${more.join(" ")}`, `${outcome.stdout}${outcome.stderr}`.trimEnd());
  return outcome;
}

const current = () => fixture.secrets.company("acmecorp", product).get("STRIPE_SECRET_KEY");
const minute = String.raw`\d{4}-\d\d-\d\d \d\d:\d\dZ`;

test("a secret is staged, promoted, rolled back, set to expire, removed and purged, and its history shows it", async () => {
  const [one, two] = ["sk_test_fake_codewiser_0001", "sk_test_fake_codewiser_0002"];
  await run("set STRIPE_SECRET_KEY", `${one}\n`);
  expect((await run("stage STRIPE_SECRET_KEY", `${two}\n`, "--note", "from the dashboard")).stdout).toBe(
    "Version 2 of STRIPE_SECRET_KEY of acmecorp is pending.\n",
  );
  expect(await current()).toBe(one);
  await run("expire STRIPE_SECRET_KEY --at 2031-01-31 --remind 30,7");
  expect((await run("list")).stdout).toMatch(
    new RegExp(`^STRIPE_SECRET_KEY +1 +2 +database +…0001 +${minute} +2031-01-31 00:00Z`, "m"),
  );
  expect((await run("list --expires-within 3000")).stdout).toContain("2031-01-31");
  expect((await run("list --expires-within 1")).stdout).toMatch(
    /^No secret of acmecorp .* expires within 1 days/,
  );
  expect((await run("promote STRIPE_SECRET_KEY --grace 24h")).stdout).toBe(
    "STRIPE_SECRET_KEY of acmecorp is now at version 2.\n",
  );
  expect(await current()).toBe(two);
  const versions = await run("versions STRIPE_SECRET_KEY");
  expect(versions.stdout).toMatch(/^VERSION +STAGE +MADE +BY +LAST FOUR +EXPIRES +CHECK +NOTE\n/);
  expect(versions.stdout).toMatch(
    new RegExp(
      `^2 +current +${minute} +service \\S+ +…0002 +from the dashboard\\n1 +previous until ${minute} +${minute} +service \\S+ +…0001 +2031-01-31 00:00Z$`,
      "m",
    ),
  );
  expect((await run("rollback STRIPE_SECRET_KEY --to 1")).stdout).toBe(
    "STRIPE_SECRET_KEY of acmecorp is now at version 3, with the value of 1.\n",
  );
  expect(await current()).toBe(one);
  await run("stage STRIPE_SECRET_KEY", two);
  expect((await run("discard STRIPE_SECRET_KEY --yes")).stdout).toBe(
    "Version 4 of STRIPE_SECRET_KEY of acmecorp is destroyed.\n",
  );
  await run("remove STRIPE_SECRET_KEY --yes");
  const purged = await run("purge STRIPE_SECRET_KEY --yes --confirm STRIPE_SECRET_KEY");
  expect(purged.stdout).toMatch(/is destroyed. Its history stays.\n$/);
  const history = await run("versions STRIPE_SECRET_KEY --limit 2");
  expect(history.stdout).toMatch(/^4 +destroyed .*\n3 +destroyed .*As version 1\.$/m);
  expect(history.stderr).toMatch(/^It was removed at .*Z\.\nThere are more: --before 3\n$/);
  expect((await run("restore STRIPE_SECRET_KEY")).exitCode).toBe(3);
  expect(JSON.parse((await run("versions STRIPE_SECRET_KEY --json")).stdout)).toMatchObject({
    secretKey: "STRIPE_SECRET_KEY",
    versions: [4, 3, 2, 1].map((version) => ({ version, destroyedAt: expect.any(String) })),
  });
  expect(transcript.join("\n")).not.toMatch(/sk_test_fake/);
  console.log(transcript.join("\n"));
});

test("what cannot be done says what can, and changes nothing", async () => {
  const secretKey = "CUSTOM_KEPT";
  await fixture.secrets.company("acmecorp", product).set(secretKey, "fake-kept");
  const fail = async (...args: string[]) => {
    const { code, exitCode, currentVersion } = await failing([...args, "--company", "acmecorp"], acmecorp);
    return [code, exitCode, currentVersion];
  };
  expect(await fail("promote", secretKey)).toEqual(["CONFLICT", 5, 1]);
  await fixture.secrets.company("acmecorp", product).stage(secretKey, "fake-next");
  for (const command of [["promote"], ["discard", "--yes"]]) {
    const wrong = await failing(
      [...command, secretKey, "--pending-version", "3", "--company", "acmecorp"],
      acmecorp,
    );
    expect(wrong).toMatchObject({ code: "CONFLICT", exitCode: 5 });
    expect(wrong.message).toContain("Version 2 is pending, not 3");
  }
  const discarded = [
    "discard",
    secretKey,
    "--yes",
    "--pending-version",
    "2",
    "--request-id",
    "r-1",
    "--json",
  ];
  for (let i = 0; i < 2; i++) {
    const { stdout } = await cli([...discarded, "--company", "acmecorp"], acmecorp);
    expect(JSON.parse(stdout)).toEqual({ company: "acmecorp", secretKey, discarded: 2 });
  }
  expect(await fail("rollback", secretKey, "--to", "9")).toEqual(["NOT_FOUND", 3, undefined]);
  expect(await fail("rollback", secretKey, "--to", "1", "--expected-version", "4")).toEqual([
    "CONFLICT",
    5,
    1,
  ]);
  expect(await fail("versions", "CUSTOM_NONE")).toEqual(["NOT_FOUND", 3, undefined]);
  for (const args of [
    ["purge", secretKey],
    ["purge", secretKey, "--yes"],
    ["purge", secretKey, "--yes", "--confirm", "CUSTOM_OTHER"],
    ["discard", secretKey],
    ["promote", secretKey, "--grace", "soon"],
    ["promote", secretKey, "--grace", "31d"],
    ["promote", secretKey, "--pending-version", "0"],
    ["discard", secretKey, "--yes", "--pending-version", "x"],
    ["rollback", secretKey, "--to", "0"],
    ["expire", secretKey, "--at", "2031-02-30"],
    ["expire", secretKey, "--at", "tomorrow"],
    ["expire", secretKey, "--at", "never", "--remind", "7,0"],
  ]) {
    expect([args, (await fail(...args))[1]]).toEqual([args, 2]);
  }
  expect(await fail("purge", secretKey, "--yes", "--confirm", secretKey)).toEqual(["CONFLICT", 5, 1]);
  const only = (await fixture.secrets.company("acmecorp", product).history(secretKey)).versions.at(-1);
  expect(only).toMatchObject({ version: 1, stage: "current", destroyedAt: undefined });
  const elsewhere = await failing(["versions", secretKey, "--company", "codewiser"], acmecorp);
  expect(elsewhere).toMatchObject({ code: "NOT_SUPPORTED", exitCode: 2 });
});
