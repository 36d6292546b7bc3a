import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFixture, type Fixture } from "./testing/fixture.ts";
import { cli, failing, type Outcome } from "./testing/run-cli.ts";

const name = "MASTER_ENCRYPTION_KEY";
// Of 32 bytes 0x42: no secret of anybody.
const recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
const identity = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
const ageTool = "age";
const passphrase = "fake horse, fake battery, fake staple";

let fixture: Fixture;
let directory: string;
let masterKey: string;
const said: Outcome[] = [];

beforeAll(async () => {
  fixture = await createFixture();
  await fixture.secrets.start();
  directory = await mkdtemp(path.join(tmpdir(), "secrets-cli-"));
  masterKey = (await fixture.infisical.findSecret("/hono-api", name))?.value ?? "";
  await writeFile(at("identity"), `# public key: ${recipient}\n${identity}\n`);
});

afterAll(() => rm(directory, { recursive: true, force: true }));

function at(file: string): string {
  return path.join(directory, file);
}

async function run(args: readonly string[], input = ""): Promise<Outcome> {
  const outcome = await cli(["keys", ...args], fixture.local, input);
  said.push(outcome);
  return outcome;
}

const withIdentity = () => ["--input", at("keys.age"), "--identity-file", at("identity")];

test("keys are backed up for a recipient to a new private file, checked, and put back when Infisical lost them", async () => {
  const backup = ["backup", "--recipient", recipient, "--output", at("keys.age")];
  expect(await run(backup)).toMatchObject({ exitCode: 0, stderr: "" });
  expect((await stat(at("keys.age"))).mode & 0o777).toBe(0o600);
  const file = await readFile(at("keys.age"), "utf8");
  const again = await run(backup);
  expect(again).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("exists already") });
  expect(await readFile(at("keys.age"), "utf8")).toBe(file);

  const check = await run(["check-backup", ...withIdentity()]);
  expect(check).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/^default +1 +matches$/m),
    stderr: "",
  });

  const known = await cli(["keys", "backups"], fixture.remote);
  const fingerprint = createHash("sha256").update(file).digest("hex");
  expect(known.stdout).toMatch(new RegExp(`complete +\\S+:${at("keys.age")} +sha256:${fingerprint}$`, "m"));

  await fixture.infisical.deleteSecret("/hono-api", name);
  const unconfirmed = await run(["restore", ...withIdentity()]);
  expect(unconfirmed).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--yes") });
  const misnamed = await run(["restore", ...withIdentity(), "--yes", "eu"]);
  expect(misnamed).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("region") });
  const lost = await run(["check-backup", ...withIdentity()]);
  expect(lost).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("not in the audit log") });
  expect(await fixture.infisical.findSecret("/hono-api", name)).toBeUndefined();

  const restored = await run(["restore", ...withIdentity(), "--yes", "default", "--json"]);
  expect(JSON.parse(restored.stdout)).toEqual({
    registered: false,
    keys: [{ region: "default", version: 1, state: "restored" }],
    signInSecrets: [expect.objectContaining({ state: "present" })],
    isAudited: true,
  });
  expect((await fixture.infisical.findSecret("/hono-api", name))?.value).toBe(masterKey);
}, 120_000);

test("a passphrase comes from standard input, and without the right one nothing opens", async () => {
  const open = ["check-backup", "--input", at("locked.age"), "--passphrase"];
  expect(
    await run(["backup", "--passphrase", "--output", at("locked.age")], `${passphrase}\n`),
  ).toMatchObject({ exitCode: 0 });
  expect(await run(open, passphrase)).toMatchObject({ exitCode: 0 });
  expect(await run(open, "fake")).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("does not open"),
  });
}, 60_000);

test("arguments that do not fit, and a backup that is not made, leave no file", async () => {
  const output = ["--output", at("none.age")];
  const input = ["--input", at("keys.age")];
  const wrong = [
    ["backup", ...output],
    ["backup", "--passphrase", "--recipient", recipient, ...output],
    ["backup", "--recipient", identity, ...output],
    ["check-backup", ...input],
    ["check-backup", ...input, "--passphrase", "--identity-file", at("identity")],
    ["check-backup", "--input", at("nowhere"), "--identity-file", at("identity")],
    ["check-backup", ...input, "--identity-file", at("nowhere")],
  ];
  for (const args of wrong) {
    const failure = await failing(["keys", ...args], fixture.local);
    expect(failure).toMatchObject({ exitCode: 2 });
    expect(failure.message).not.toContain(identity);
  }
  const remotely = await failing(["keys", "backup", "--recipient", recipient, ...output], fixture.remote);
  expect(remotely.message).toContain("unset TENANT_SECRETS_URL");
  expect(await readdir(directory)).not.toContain("none.age");
}, 60_000);

test.runIf(spawnSync(ageTool, ["--version"]).status === 0)(
  "the ordinary age tool opens what the command wrote",
  async () => {
    const opened = execFileSync(ageTool, ["--decrypt", "--identity", at("identity"), at("keys.age")], {
      encoding: "utf8",
    });
    expect(JSON.parse(opened)).toMatchObject({
      format: "tenant-secrets-keys/1",
      keys: [{ region: "default", version: 1, status: "active", text: masterKey }],
    });
  },
);

test("no key, passphrase or identity was said by any of these", () => {
  expect(said.length).toBeGreaterThan(8);
  for (const { stdout, stderr } of said) {
    for (const secret of [masterKey.slice(10, 30), passphrase, identity.slice(20, 40)])
      expect(stdout + stderr).not.toContain(secret);
  }
});
