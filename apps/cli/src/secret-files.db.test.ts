import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { armor, Decrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createFixture, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, failing, type Environment } from "./testing/run-cli.ts";

const canary = "sk_test_fake_canary_0001";
let fixture: Fixture;
let folder: string;
let acmecorp: Environment;
/** What a provider says. */
let say: "accepted" | "rejected" | "unknown";

beforeAll(async () => {
  const ask = async () => say;
  fixture = await createFixture({ stripe: ask, sendgrid: ask });
  for (const subdomain of ["acmecorp", "another-company"]) {
    await fixture.secrets.admin.companies.create(operator, { subdomain, secretStore: "database" });
  }
  const apiKey = await fixture.apiKey(["acmecorp", "another-company"]);
  acmecorp = { ...fixture.remote, TENANT_SECRETS_API_KEY: apiKey };
  folder = await mkdtemp(path.join(tmpdir(), "secret-files-"));
});
beforeEach(() => {
  say = "accepted";
});
afterAll(() => rm(folder, { recursive: true }));

const file = (name: string) => path.join(folder, name);
const secrets = () => fixture.secrets.company("acmecorp", product);

describe("import", () => {
  test("shows what it would do and no value, asks, and writes all of it", async () => {
    await secrets().set("CUSTOM_SAME", "same");
    await secrets().set("CUSTOM_OTHER", "before");
    await writeFile(
      file("acme.env"),
      `\ufeff# from the old place\r\nexport STRIPE_SECRET_KEY = '${canary}' # new\r\nCUSTOM_SAME=same\r\nCUSTOM_OTHER="a\\n\r\n$b"\r\n`,
    );
    const command = ["import", file("acme.env"), "--company", "acmecorp"];
    const preview = await cli([...command, "--dry-run"], acmecorp);
    expect(preview).toEqual({
      exitCode: 0,
      stderr: "",
      stdout: [
        "LINE  CHANGE     SECRET KEY         VERSION",
        "4     changed    CUSTOM_OTHER       1",
        "3     unchanged  CUSTOM_SAME        1",
        "2     added      STRIPE_SECRET_KEY",
        "",
      ].join("\n"),
    });
    expect(await failing(command, acmecorp)).toMatchObject({
      exitCode: 2,
      message: expect.stringContaining("--yes"),
    });
    expect(await secrets().find("STRIPE_SECRET_KEY")).toBeUndefined();
    const written = await cli([...command, "--yes", "--json"], acmecorp);
    expect(JSON.parse(written.stdout).written).toEqual([
      { secretKey: "CUSTOM_OTHER", version: 2 },
      { secretKey: "STRIPE_SECRET_KEY", version: 1 },
    ]);
    expect(await secrets().get("CUSTOM_OTHER")).toBe("a\n\n$b");
    expect(Object.values({ ...preview, ...written }).join()).not.toContain(canary);
  });

  test("names line and column of what it cannot read, and refuses what it may not write, with nothing written", async () => {
    const from = (text: string | Uint8Array, ...options: string[]) =>
      cli(["import", "-", "--company", "acmecorp", "--yes", ...options], acmecorp, text);
    const [unclosed, twice, many, garbage, refused] = await Promise.all([
      from(`CUSTOM_F=1\nCUSTOM_G="${canary}\n`),
      from("CUSTOM_F=1\n\nCUSTOM_F=2\n"),
      from(Array.from({ length: 10_000 }, (_, i) => `CUSTOM_F${i}=${canary}\n`).join("")),
      from(new Uint8Array([0xff])),
      from(`CUSTOM_F=1\nSTRIPE_SECRET_KEY=not-stripes-${canary}\n${canary}=x\n`),
    ]);
    expect(unclosed.stderr).toMatch(/^INVALID_INPUT: The file was refused at line 2, column 10: the quote/);
    expect(twice.stderr).toMatch(/line 3, column 1: line 1 gives a value to the same name/);
    expect(many.stderr).toMatch(/10000 secrets, and an import takes at most 100/);
    expect(garbage.stderr).toMatch(/UTF-8/);
    expect(refused.stdout).toMatch(
      /^2 +refused +STRIPE_SECRET_KEY +The value of STRIPE_SECRET_KEY was refused/m,
    );
    expect(refused.stdout).toMatch(/^3 +refused +This secret key is not in the catalogue/m);
    expect(refused.stderr).toMatch(/^USAGE: Nothing was written: 2 of/);
    for (const outcome of [unclosed, twice, many, garbage, refused]) {
      expect(outcome.exitCode).toBe(2);
      expect(outcome.stdout + outcome.stderr).not.toContain(canary);
    }
    expect(await secrets().find("CUSTOM_F")).toBeUndefined();
    const skipped = await from(`CUSTOM_F=1\n${canary}=x\n`, "--skip-refused");
    expect(skipped).toMatchObject({ exitCode: 0, stderr: "1 refused secrets are left out.\n" });
    expect(await secrets().get("CUSTOM_F")).toBe("1");
  });
});

test("export needs a key that was given the verb, and import reads its file back byte for byte", async () => {
  const value = "\r\n'\"`\\ #$HOME\ufeff\u202e\\n\\";
  await secrets().set("CUSTOM_HOSTILE", value);
  await secrets().set("STRIPE_WEBHOOK_SECRET", "whsec_fakefakefake0001fake");
  const command = ["export", "--company", "acmecorp", "--purpose", "hand-over", "--format", "env"];
  expect(await failing(command, acmecorp)).toMatchObject({ code: "FORBIDDEN", exitCode: 4 });
  const exporter = await fixture.apiKey(["acmecorp"], { verbs: ["export"] });
  const exporting = { ...acmecorp, TENANT_SECRETS_API_KEY: exporter };
  const output = file("out.env");
  const exported = await cli([...command, "--output", output], exporting);
  expect(exported).toMatchObject({ exitCode: 0, stdout: "" });
  expect(exported.stderr).toContain("Left out: STRIPE_WEBHOOK_SECRET, which is write-only.");
  expect((await stat(output)).mode & 0o777).toBe(0o600);
  const piped = await cli(command, exporting);
  expect(piped.stdout).toBe(await readFile(output, "utf8"));
  expect(await failing([...command, "--output", output], exporting)).toMatchObject({ exitCode: 2 });
  const there = ["import", output, "--company", "another-company", "--yes"];
  expect(await cli(there, acmecorp)).toMatchObject({ exitCode: 0 });
  expect(await fixture.secrets.company("another-company", product).get("CUSTOM_HOSTILE")).toBe(value);
  const again = await cli(["import", output, "--company", "acmecorp", "--dry-run"], acmecorp);
  expect(again.stdout).not.toMatch(/ (?:added|changed|refused) /);
});

describe("an encrypted export", () => {
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

  test("is a file that the recipient's key opens and a receipt, which is verified with the public key alone and fetched again by an operator", async () => {
    await secrets().set("CUSTOM_HANDED", canary);
    const identity = await generateX25519Identity();
    const recipient = await identityToRecipient(identity);
    const exporter = await fixture.apiKey(["acmecorp"], { verbs: ["export"] });
    const exporting = { ...acmecorp, TENANT_SECRETS_API_KEY: exporter };
    const [encrypted, receipt, key] = [file("a.age"), file("a.receipt.json"), file("key.pem")];
    const command = ["export", "--company", "acmecorp", "--purpose", "hand-over", "--recipient", recipient];
    const exported = await cli([...command, "--output", encrypted, "--receipt", receipt], exporting);
    expect(exported).toMatchObject({ exitCode: 0, stdout: "" });
    expect(exported.stderr).toContain("encrypted to 1 recipient.");
    const text = await readFile(encrypted, "utf8");
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    expect(await decrypter.decrypt(armor.decode(text), "text")).toContain(`CUSTOM_HANDED=${canary}\n`);

    const local = { ...fixture.local, TENANT_SECRETS_OPERATOR_TOKEN: fixture.operatorToken };
    await writeFile(key, (await cli(["keys", "public-key"], local)).stdout);
    const verify = ["keys", "verify-receipt", "--public-key", key, "--input"];
    const verified = await cli([...verify, receipt, "--file", encrypted]);
    expect(verified.stdout).toMatch(
      /^The receipt is genuine, and about this file\.\nservice \S+ exported \d+ secrets/,
    );
    expect(verified.stdout).toContain(`its SHA-256 is ${sha256(text)}`);
    expect(verified.stdout).toContain("In the file: CUSTOM_HANDED, version 1.");
    const written = await readFile(receipt, "utf8");
    for (const answer of [exported.stderr, verified.stdout, written]) expect(answer).not.toContain(canary);

    const listed = await cli(["exports", "list", "--company", "acmecorp", "--json"], local);
    const [{ id }] = (JSON.parse(listed.stdout) as { exports: [{ id: string }] }).exports;
    expect(JSON.parse(written).receipt).toContain(id);
    const again = await cli(["exports", "receipt", id, "--company", "acmecorp"], local);
    expect(again.stdout).toBe(written);
    expect((await cli(["exports", "list", "--company", "acmecorp"], local)).stdout).toContain(
      sha256(text).slice(0, 16),
    );

    // The receipt of another file, and one that was edited.
    const other = [...command, "--output", file("b.age"), "--receipt", file("b.receipt.json")];
    expect(await cli(other, exporting)).toMatchObject({ exitCode: 0 });
    const mismatch = await failing([...verify, file("b.receipt.json"), "--file", encrypted]);
    expect(mismatch).toMatchObject({ exitCode: 1, code: "INTEGRITY_FAILURE" });
    await writeFile(file("c.receipt.json"), written.replace(recipient, recipient.replace(/..$/, "qq")));
    expect(await failing([...verify, file("c.receipt.json")])).toMatchObject({ code: "INTEGRITY_FAILURE" });
  });

  test("is refused before anything is sent for a private key, which is not shown, and where a file is there already", async () => {
    const identity = await generateX25519Identity();
    const recipient = await identityToRecipient(identity);
    const elsewhere = { ...acmecorp, TENANT_SECRETS_URL: "http://127.0.0.1:9" };
    await writeFile(file("taken"), "");
    const command = ["export", "--company", "acmecorp", "--purpose", "hand-over"];
    for (const [options, sentence] of [
      [["--recipient", identity], "is a private key. Do not use it any more"],
      [["--recipient", recipient, "--recipient", recipient], "the same as recipient 1"],
      [["--recipient", "__proto__"], "no public key of age-keygen"],
      [["--recipient", ""], "no public key of age-keygen"],
      [["--receipt", file("none")], "--receipt goes with --recipient"],
      [["--recipient", recipient, "--receipt", file("taken")], "--receipt names a file that exists already"],
      [["--recipient", recipient, "--output", file("taken")], "--output names a file that exists already"],
    ] as const) {
      const refused = await failing([...command, ...options], elsewhere);
      expect(refused).toMatchObject({ exitCode: 2, message: expect.stringContaining(sentence) });
      expect(refused.message).not.toContain(identity);
    }
  });
});

describe("check", () => {
  test("says what the provider says, in words and by the exit code, and list and versions show it", async () => {
    await secrets().set("STRIPE_SECRET_KEY", canary);
    const command = ["check", "STRIPE_SECRET_KEY", "--company", "acmecorp"];
    const accepted = await cli(command, acmecorp);
    expect(accepted.stdout).toMatch(/^STRIPE_SECRET_KEY +\d+ +accepted +\d{4}-/m);
    expect(accepted.exitCode).toBe(0);
    say = "unknown";
    expect(await failing(command, acmecorp)).toMatchObject({ exitCode: 7 });
    say = "rejected";
    const rejected = await cli(["check", "--all", "--company", "acmecorp", "--json"], acmecorp);
    expect([rejected.exitCode, JSON.parse(rejected.stdout).checks]).toMatchObject([
      6,
      [{ secretKey: "STRIPE_SECRET_KEY", result: "rejected" }],
    ]);
    const listed = await cli(["list", "--company", "acmecorp"], acmecorp);
    const versions = await cli(["versions", "STRIPE_SECRET_KEY", "--company", "acmecorp"], acmecorp);
    expect(listed.stdout).toMatch(/^STRIPE_SECRET_KEY .*rejected \d{4}-/m);
    expect(versions.stdout).toMatch(/rejected \d{4}-/);
    for (const args of [["check"], ["check", "CUSTOM_SAME", "--all"]]) {
      expect(await failing([...args, "--company", "acmecorp"], acmecorp)).toMatchObject({ exitCode: 2 });
    }
  });

  test("of set keeps what the provider rejects from being written", async () => {
    const set = (value: string) =>
      cli(["set", "SENDGRID_API_KEY", "--company", "another-company", "--check"], acmecorp, value);
    say = "rejected";
    expect(await set("SG.fakefake.codewiser0001")).toMatchObject({
      exitCode: 6,
      stderr: expect.stringMatching(/^INVALID_VALUE: Nothing was written/),
    });
    say = "unknown";
    expect(await set("SG.fakefake.codewiser0001")).toMatchObject({
      exitCode: 0,
      stdout: "SENDGRID_API_KEY of another-company is now at version 1.\n",
      stderr: expect.stringContaining("could not be asked"),
    });
  });
});
