import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFixture, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, failing, type Environment } from "./testing/run-cli.ts";

let fixture: Fixture;
let environment: Environment;
let directory: string;

beforeAll(async () => {
  fixture = await createFixture();
  environment = { ...fixture.local, TENANT_SECRETS_OPERATOR_TOKEN: fixture.operatorToken };
  directory = await mkdtemp(path.join(tmpdir(), "tenant-secrets-test-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const file = (name: string) => path.join(directory, name);
const days = ["--backups-kept-days", "30"];

async function company(subdomain: string, secretStore: "database" | "infisical" = "database") {
  await fixture.secrets.admin.companies.create(operator, { subdomain, secretStore });
  const secrets = fixture.secrets.company(subdomain, product);
  await secrets.set("CUSTOM_A", "sk_test_fake_shred_0001");
  return secrets;
}

test("a company is shredded, and its receipt is stored, printed again, and verified without database or credential", async () => {
  const secrets = await company("gone");
  const args = ["keys", "shred", "gone", ...days, "--yes", "--confirm", "gone"];
  const done = await cli([...args, "--output", file("receipt.json")], environment);
  expect(done).toMatchObject({ exitCode: 0, stderr: "" });
  expect(done.stdout).toMatch(
    /gone \(.{36}\) was shredded at .* by operator .*: keys 1, 1 current and 0 earlier/,
  );
  expect(done.stdout).toMatch(/Database backups made before .* still hold the wraps/);
  expect(done.stdout).toMatch(/Nothing of it is left by \d{4}-/);
  await expect(secrets.get("CUSTOM_A")).rejects.toMatchObject({ code: "KEY_DESTROYED" });
  expect((await stat(file("receipt.json"))).mode & 0o777).toBe(0o600);
  const written = await readFile(file("receipt.json"), "utf8");
  const again = await cli(args, environment);
  const receipt = await cli(["keys", "receipt", "gone", "--json"], environment);
  expect([again.stdout, receipt.stdout]).toEqual([written, written]);

  const published = await cli(["keys", "public-key"], environment);
  await writeFile(file("key.pem"), published.stdout);
  const verify = ["keys", "verify-receipt", "--input", file("receipt.json")];
  expect((await cli([...verify, "--public-key", file("key.pem")])).stdout).toMatch(
    /^The receipt is genuine\./,
  );
  expect(JSON.parse((await cli([...verify, "--json"], environment)).stdout)).toMatchObject({
    company: { subdomain: "gone" },
  });
  await writeFile(file("edited.json"), written.replace("gone", "kept"));
  const edited = ["keys", "verify-receipt", "--input", file("edited.json"), "--public-key", file("key.pem")];
  expect(await failing(edited)).toMatchObject({ exitCode: 1, code: "INTEGRITY_FAILURE" });
});

test("a receipt can be checked with openssl, as docs/shredding.md says", async () => {
  await company("checked");
  const shredded = await cli(
    ["keys", "shred", "checked", ...days, "--yes", "--confirm", "checked"],
    environment,
  );
  await writeFile(file("checked.json"), shredded.stdout);
  await writeFile(file("checked.pem"), (await cli(["keys", "public-key"], environment)).stdout);
  const page = await readFile(new URL("../../../docs/shredding.md", import.meta.url), "utf8");
  const script = /```sh\n(node -e[^]*?)```/.exec(page)?.[1] ?? "";
  const run = promisify(execFile);
  const checked = script
    .replaceAll("receipt.json", "checked.json")
    .replaceAll("public-key.pem", "checked.pem");
  expect((await run("sh", ["-ec", checked], { cwd: directory })).stdout).toContain("Verified Successfully");
});

test("nothing is destroyed before it is confirmed by name, and there is a place for the receipt", async () => {
  const secrets = await company("kept");
  await writeFile(file("taken.json"), "");
  const confirmed = ["--yes", "--confirm", "kept"];
  for (const [args, sentence] of [
    [["kept", ...confirmed], "--backups-kept-days <days> is missing."],
    [["kept", "--backups-kept-days", "a month", ...confirmed], "a number of days"],
    [["kept", ...days], "There is no terminal to ask at"],
    [["kept", ...days, "--yes"], "--yes and --confirm go together"],
    [["kept", ...days, "--confirm", "kept"], "--yes and --confirm go together"],
    [["kept", ...days, "--yes", "--confirm", "gone"], "not the same name"],
    [["kept", ...days, ...confirmed, "--output", file("taken.json")], "exists already"],
  ] as const) {
    const failure = await failing(["keys", "shred", ...args], environment);
    expect(failure, sentence).toMatchObject({ exitCode: 2, message: expect.stringContaining(sentence) });
  }
  const remote = { ...environment, TENANT_SECRETS_URL: "http://127.0.0.1:9" };
  expect((await failing(["keys", "shred", "kept", ...days, ...confirmed], remote)).message).toContain(
    "not shredded through an API",
  );
  const unknown = ["keys", "shred", "nobody", ...days, "--yes", "--confirm", "nobody"];
  expect(await failing([...unknown, "--output", file("none.json")], environment)).toMatchObject({
    exitCode: 3,
  });
  await expect(stat(file("none.json"))).rejects.toThrow("ENOENT");
  expect(await failing(["keys", "receipt", "kept"], environment)).toMatchObject({ exitCode: 3 });
  const stranger = { ...environment, TENANT_SECRETS_OPERATOR_TOKEN: await fixture.apiKey(["kept"]) };
  expect(await failing(["keys", "shred", "kept", ...days, ...confirmed], stranger)).toMatchObject({
    code: "FORBIDDEN",
    exitCode: 4,
  });
  expect(await secrets.get("CUSTOM_A")).toBe("sk_test_fake_shred_0001");
});

test("a company on Infisical is shredded only with its folder", async () => {
  await company("outside", "infisical");
  const args = ["keys", "shred", "outside", ...days, "--yes", "--confirm", "outside"];
  expect(await failing(args, environment)).toMatchObject({
    code: "NOT_SUPPORTED",
    message: expect.stringContaining("--with-infisical-folder"),
  });
  expect((await cli([...args, "--with-infisical-folder"], environment)).stderr).toContain(
    "1 secrets of outside in Infisical, folder /tenants/outside, were deleted at",
  );
  expect(await fixture.infisical.listSecretSummaries("/tenants/outside")).toEqual([]);
});
