import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { connectDatabase } from "@repo/db";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFixture, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, failing, startCli, type Environment, type Outcome } from "./testing/run-cli.ts";

// Each run of the program costs a busy machine seconds.
const slow = { timeout: 480_000 };

let fixture: Fixture;
let environment: Environment;
let directory: string;

beforeAll(async () => {
  fixture = await createFixture();
  environment = { ...fixture.local, TENANT_SECRETS_OPERATOR_TOKEN: fixture.operatorToken };
  directory = await mkdtemp(path.join(tmpdir(), "secrets-migrate-"));
});
afterAll(() => rm(directory, { recursive: true }));

const file = (name: string) => path.join(directory, name);
const run = (...args: readonly string[]): Promise<Outcome> => cli(["migrate", ...args], environment);
const quickly = (verb: string, company: string, ...more: readonly string[]) =>
  run(verb, "--company", company, "--rate", "unlimited", ...more);
const handle = (subdomain: string) => fixture.secrets.company(subdomain, product);

async function companyInInfisical(subdomain: string): Promise<string> {
  await fixture.secrets.admin.companies.create(operator, { subdomain, secretStore: "infisical" });
  await handle(subdomain).set("STRIPE_SECRET_KEY", "sk_test_fake_migrated_0001");
  await handle(subdomain).set("CUSTOM_KEY", "fake-custom-0001");
  return subdomain;
}

const runOf = ({ stderr }: Outcome): string => /^Run ([0-9a-f-]{36}), /m.exec(stderr)?.[1] ?? "";

test("a company walks from Infisical to hybrid, to the database, and back", slow, async () => {
  const company = await companyInInfisical("walker");
  const planned = await quickly("plan", company);
  expect(planned.stderr).toMatch(/^Run [0-9a-f-]{36}, plan: 1 company, about 1 call at no limit\.\n$/);
  expect(planned.stdout).toBe(
    [
      "walker: done: 2 in the folder, 0 in the database, 2 only in the folder, store infisical",
      "1 done, 0 blocked, 0 failed.",
      `The signed report: pnpm secrets migrate report ${runOf(planned)}`,
      "Next: pnpm secrets migrate copy --company walker",
      "",
    ].join("\n"),
  );
  const lines = async (verb: string, ...more: readonly string[]) => {
    const { exitCode, stdout, stderr } = await quickly(verb, company, ...more);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    return stdout.split("\n");
  };
  expect((await lines("copy"))[0]).toBe(
    "walker: done: 2 in the folder, 2 in the database, 2 equal, 2 moved, store infisical",
  );
  expect((await lines("verify"))[3]).toBe("Next: pnpm secrets migrate switch --company walker");
  expect((await lines("switch"))[0]).toMatch(
    /^walker: done: 2 in the folder, 2 in the database, 2 equal, store infisical → hybrid, writes held for \d+ ms$/,
  );
  expect((await lines("switch", "--to", "database"))[0]).toMatch(/store hybrid → database, writes held/);
  expect(await run("mirror", "on", "--company", company)).toMatchObject({
    exitCode: 0,
    stdout: "The mirror of walker is on.\n",
  });
  const stores = await run("status", "--company", company);
  expect(stores.stdout).toMatch(/^walker +database +3 +2 +2 +infisical +\d{4}-\S+ \S+Z +mirrored$/m);
  expect(await handle(company).get("CUSTOM_KEY")).toBe("fake-custom-0001");

  await handle(company).set("CUSTOM_KEY", "fake-custom-0002");
  const refused = await quickly("rollback", company);
  expect(refused.exitCode).toBe(3);
  expect(refused.stdout).toContain("  LOSES_HISTORY CUSTOM_KEY\n");
  expect(refused.stdout).toContain(
    "LOSES_HISTORY: Its earlier versions stay in the database, where they are not shown.\n",
  );
  expect(refused.stderr).toContain("FINDINGS: Findings or differences at 1 of the companies.");
  const losses = ["--accept-losses", "--yes", "--confirm", company];
  expect((await lines("rollback", ...losses))[0]).toMatch(/1 moved, store database → infisical, writes held/);
  const folder = await fixture.infisical.findSecret(`/tenants/${company}`, "CUSTOM_KEY");
  expect(folder?.value).toBe("fake-custom-0002");
});

test(
  "a difference is named by its secret key, in the report as well, and its value stands nowhere",
  slow,
  async () => {
    const company = await companyInInfisical("differing");
    expect((await quickly("copy", company)).exitCode).toBe(0);
    await fixture.infisical.putSecret(`/tenants/${company}`, "CUSTOM_KEY", "fake-planted-difference");
    const verified = await quickly("verify", company, "--json");
    expect(verified.exitCode).toBe(3);
    const [begun, one, summary] = verified.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(begun).toMatchObject({ event: "begun", verb: "verify", companies: 1, calls: 1 });
    expect(one).toMatchObject({
      event: "company",
      company,
      state: "blocked",
      result: { findings: [{ code: "DIFFERS", secretKey: "CUSTOM_KEY", detail: "newer in folder" }] },
    });
    expect(summary).toMatchObject({ event: "summary", run: begun.run, done: 0, blocked: 1, failed: 0 });
    expect(JSON.parse(verified.stderr)).toMatchObject({ error: { code: "FINDINGS" } });

    const shown = await run("companies", begun.run, "--state", "blocked");
    expect(shown.stdout).toContain("  DIFFERS CUSTOM_KEY (newer in folder)\n");
    const written = await run("report", begun.run, "--output", file("report.json"));
    expect(written).toMatchObject({ exitCode: 0, stdout: "" });
    await writeFile(file("keys.pem"), (await cli(["audit", "public-key"], environment)).stdout);
    const key = ["--public-key", file("keys.pem")];
    // With an empty environment: no database, no Infisical, no credential.
    const genuine = await cli(["migrate", "verify-report", file("report.json"), ...key]);
    expect(genuine.stdout).toMatch(
      /^The report is genuine\.\nRun .*\ndiffering: blocked, .*DIFFERS CUSTOM_KEY\n/,
    );

    const report = await readFile(file("report.json"), "utf8");
    const said = [verified, shown, genuine].map(({ stdout, stderr }) => stdout + stderr);
    for (const value of ["fake-planted-difference", "fake-custom-0001", "sk_test_fake_migrated_0001"])
      expect([report, ...said].join("\n")).not.toContain(value);

    await writeFile(
      file("edited.json"),
      report.replace(String.raw`\"blocked\": 1`, String.raw`\"blocked\": 0`),
    );
    expect(await readFile(file("edited.json"), "utf8")).not.toBe(report);
    const edited = await failing(["migrate", "verify-report", file("edited.json"), ...key]);
    expect(edited).toMatchObject({ exitCode: 1, code: "INTEGRITY_FAILURE" });
    const { publicKey } = generateKeyPairSync("ed25519");
    await writeFile(file("other.pem"), publicKey.export({ type: "spki", format: "pem" }));
    const other = ["migrate", "verify-report", file("report.json"), "--public-key", file("other.pem")];
    expect(await failing(other)).toMatchObject({ exitCode: 1, code: "INTEGRITY_FAILURE" });
  },
);

test("nothing is begun before the companies are named and it is confirmed", slow, async () => {
  const company = await companyInInfisical("asked");
  await writeFile(file("none.txt"), "# no company\n");
  for (const [args, sentence] of [
    [["plan"], "Which companies?"],
    [["plan", "--all", "--company", company], "named in one way"],
    [["plan", "--from-file", file("none.txt")], "without a subdomain"],
    [["plan", "--all", "--rate", "fast"], "--rate takes whole numbers"],
    [["plan", "--all", "--before", "verify"], "--before is one of"],
    [["switch", "--all"], "confirm it with --yes"],
    [["rollback", "--all"], "confirm it with --yes"],
    [["switch", "--company", company, "--to", "infisical"], "--to is one of hybrid, database"],
    [["rollback", "--company", company, "--accept-losses"], "There is no terminal to ask at"],
    [
      ["rollback", "--company", company, "--accept-losses", "--yes", "--confirm", "other"],
      "not the same name",
    ],
    [["cleanup", "--all", "--after-days", "3"], "7 or more"],
    [["cleanup", "--company", "no-such"], "There is no company of one of the names"],
    [["cleanup", "--all"], "No copy was left behind"],
    [["mirror", "maybe", "--company", company], "<state> is on or off."],
    [["copy", "--company", "no-such"], 'There is no company "no-such". Nothing was begun.'],
  ] as const) {
    const failure = await failing(["migrate", ...args], environment);
    expect(failure, sentence).toMatchObject({ exitCode: 2, message: expect.stringContaining(sentence) });
  }
  const { secretStore } = await fixture.secrets.admin.companies.get(operator, company);
  expect(secretStore).toBe("infisical");
  const stranger = { ...environment, TENANT_SECRETS_OPERATOR_TOKEN: await fixture.apiKey([company]) };
  expect(await failing(["migrate", "plan", "--company", company], stranger)).toMatchObject({
    code: "FORBIDDEN",
    exitCode: 1,
  });
});

test("Ctrl-C stops a migration between two steps, and it is resumed to its end", slow, async () => {
  const companies: string[] = [];
  for (let i = 1; i <= 6; i += 1) companies.push(await companyInInfisical(`stopped-${i}`));
  await writeFile(file("companies.txt"), companies.join("\n"));
  const child = startCli(["migrate", "copy", "--from-file", file("companies.txt")], environment);
  child.stdin.end();
  const all = Promise.all([text(child.stdout), once(child, "close")]);
  let stderr = "";
  for await (const chunk of child.stderr) {
    stderr += String(chunk);
    if (/^Run /m.test(stderr) && !stderr.includes("Stopping")) child.kill("SIGINT");
  }
  const [, [exitCode]] = await all;
  const id = /^Run ([0-9a-f-]{36}), /m.exec(stderr)?.[1] ?? "";
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 4 });
  expect(stderr).toContain(
    `INTERRUPTED: The run is not finished. What was done stays: "runs resume ${id}" continues it.`,
  );
  expect((await cli(["runs", "resume", id], environment)).exitCode).toBe(0);
  const job = fixture.secrets.admin.runs.work["migrate"];
  await job?.(id, new AbortController().signal);
  const done = await run("companies", id);
  expect(done.stdout).toMatch(/^6 done, 0 blocked, 0 failed, 0 waiting\.$/m);
});

test("through an API, a job of the server works on it and the command follows", slow, async () => {
  const company = await companyInInfisical("remote");
  const args = ["migrate", "copy", "--company", company, "--rate", "unlimited"];
  const child = startCli(args, fixture.remote);
  child.stdin.end();
  const all = Promise.all([text(child.stdout), once(child, "close")]);
  for await (const chunk of child.stderr) {
    const id = /^Run ([0-9a-f-]{36}), /m.exec(String(chunk))?.[1];
    if (id !== undefined)
      await fixture.secrets.admin.runs.work["migrate"]?.(id, new AbortController().signal);
  }
  const [stdout, [exitCode]] = await all;
  expect(exitCode).toBe(0);
  expect(stdout).toContain("remote: done: 2 in the folder, 2 in the database, 2 equal, 2 moved");
});

// Last, since it makes every copy look old.
test("a cleanup removes the folder of the company that is named, and no other one", slow, async () => {
  const [company, other] = [await companyInInfisical("cleaned"), await companyInInfisical("kept")];
  const { migrations } = fixture.secrets.admin;
  const toDatabase = { verb: "switch", to: "database", leave: [], takeNewest: false } as const;
  const request = { ...toDatabase, companies: [company, other], ratePerMinute: null };
  const switching = await migrations.beginHere(operator, request);
  await migrations.run.drive(switching, { caller: operator, tools: { sliceMs: Infinity } });
  const { superuserUrl } = fixture;
  const database = connectDatabase({ applicationUrl: superuserUrl, maintenanceUrl: superuserUrl });
  await database.outsideCompanies(
    (sql) => sql`update company_stores set changed_at = now() - interval '40 days'`,
  );
  await database.close();
  const folders = async () => (await fixture.infisical.listFolders("/tenants")).map(({ name }) => name);

  const dry = await quickly("cleanup", company, "--dry-run");
  expect(dry).toMatchObject({ exitCode: 0 });
  expect(dry.stderr).toMatch(/^COMPANY +STORE +COPY IN +SINCE\ncleaned +database +infisical +\d{4}-/);
  expect(dry.stdout).toContain("cleaned: done: 2 in the folder, 2 in the database, 2 equal");
  expect(await folders()).toEqual(expect.arrayContaining([company, other]));
  const wrong = await failing(["migrate", "cleanup", "--company", company, "--folders", "2"], environment);
  expect(wrong.exitCode).toBe(2);

  const done = await quickly("cleanup", company, "--folders", "1");
  expect(done).toMatchObject({ exitCode: 0 });
  expect(done.stdout).toMatch(/^cleaned: done: .*2 moved/);
  expect(await folders()).not.toContain(company);
  expect(await folders()).toContain(other);
  expect(await handle(company).get("CUSTOM_KEY")).toBe("fake-custom-0001");
});
