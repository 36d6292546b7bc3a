import { randomBytes } from "node:crypto";
import { connectDatabase } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import { describe, expect, test } from "vitest";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { TenantSecretsError } from "@repo/catalog";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import { assembleTenantSecrets } from "../assemble.ts";
import { createMasterKeys } from "./master/master-keys.ts";

const name = "MASTER_ENCRYPTION_KEY";

async function withKey(text: string | undefined) {
  const fixture = await createFixture();
  if (text === undefined) await fixture.infisical.deleteSecret("/hono-api", name);
  else await fixture.infisical.putSecret("/hono-api", name, text);
  return fixture;
}

describe("the master key", () => {
  test("the master key is registered on the first start, and every later start is checked against it", async () => {
    const fixture = await createFixture();
    await Promise.all([fixture.secrets.prepare(), fixture.another().prepare(), fixture.another().prepare()]);
    const registry = await fixture.superuser`select region, version, status, derivation from master_keys`;
    expect(registry.map((row) => ({ ...row }))).toEqual([
      { region: "default", version: 1, status: "active", derivation: "hkdf-sha256" },
    ]);
    const right = (await fixture.infisical.findSecret("/hono-api", name))?.value ?? "";
    await fixture.infisical.putSecret("/hono-api", name, randomBytes(32).toString("hex"));
    await expect(fixture.another().prepare()).rejects.toMatchObject({
      code: "MASTER_KEY_WRONG",
      message: expect.stringContaining("version 1"),
    });
    await fixture.infisical.putSecret("/hono-api", name, right);
    await fixture.another().prepare();
  });

  test.each([
    ["missing", undefined, "MASTER_KEY_MISSING"],
    ["63 digits", "a1".repeat(32).slice(1), "MASTER_KEY_MALFORMED"],
    ["not hexadecimal", "zz".repeat(32), "MASTER_KEY_MALFORMED"],
    ["all zero", "00".repeat(32), "MASTER_KEY_MALFORMED"],
  ])("a master key that is %s is refused with the remedy, and not registered", async (_, text, code) => {
    const fixture = await withKey(text);
    const message = await fixture.secrets.prepare().then(
      () => "",
      (error: unknown) => String(error),
    );
    expect(await codeOf(fixture.secrets.prepare())).toBe(code);
    expect(message).toContain("openssl rand -hex 32");
    if (text !== undefined) expect(message).not.toContain(text.slice(0, 8));
    expect(await fixture.superuser`select from master_keys`).toHaveLength(0);
    await fixture.infisical.putSecret("/hono-api", name, randomBytes(32).toString("hex"));
    await fixture.secrets.prepare();
  });

  test("a missing registered master key must not be replaced: the error names where it was expected, and its fingerprint", async () => {
    const fixture = await createFixture();
    await fixture.secrets.keyRotation.rotate(operator, { backup: () => Promise.resolve("sha256:fake") });
    const { versions } = await fixture.secrets.masterKeys.status(operator);
    const expected = versions.find(({ status }) => status === "active")?.fingerprint ?? "none";
    const second = "MASTER_ENCRYPTION_KEY_V2";
    const { emulator, infisical } = fixture;
    const refusalIn = async (environment: "dev" | "staging") => {
      const another = fixture.another({ infisical: createInfisicalClient({ ...emulator, environment }) });
      const error: unknown = await another.prepare().catch((thrown: unknown) => thrown);
      return error instanceof TenantSecretsError ? error : undefined;
    };
    const states: [Awaited<ReturnType<typeof refusalIn>>, string, string][] = [];
    // The environment with another deployment's keys.
    const other = createInfisicalClient({ ...emulator, environment: "staging" });
    await other.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomBytes(32).toString("hex"));
    states.push([await refusalIn("staging"), "MASTER_KEY_MISSING", "staging"]);
    const planted = randomBytes(32).toString("hex");
    const right = (await infisical.findSecret("/hono-api", second))?.value ?? "";
    await infisical.putSecret("/hono-api", second, planted);
    states.push([await refusalIn("dev"), "MASTER_KEY_WRONG", "dev"]);
    for (const malformed of ["no key at all", "passphrase:short", "00".repeat(32)]) {
      await infisical.putSecret("/hono-api", second, malformed);
      states.push([await refusalIn("dev"), "MASTER_KEY_MALFORMED", "dev"]);
    }
    await infisical.deleteSecret("/hono-api", second);
    states.push([await refusalIn("dev"), "MASTER_KEY_MISSING", "dev"]);
    for (const [error, code, environment] of states) {
      expect(error?.code).toBe(code);
      expect(error?.message).toContain(second);
      expect(error?.message).toContain(`/hono-api of the environment ${environment} of`);
      expect(error?.message).toContain(`project ${emulator.projectId}`);
      expect(error?.message).toContain(expected);
      expect(error?.message).toContain("make no new key");
      expect(error?.message).not.toMatch(/openssl|[Mm]ake one|[Tt]ake six/);
      for (const text of [right, planted]) expect(error?.message).not.toContain(text.slice(0, 12));
    }
    await infisical.putSecret("/hono-api", second, right);
    await fixture.another().prepare();
  });

  test("a missing first key beside other master keys is reported as possibly another database's", async () => {
    const fixture = await withKey(undefined);
    await fixture.infisical.putSecret(
      "/hono-api",
      "MASTER_ENCRYPTION_KEY_V2",
      randomBytes(32).toString("hex"),
    );
    await expect(fixture.secrets.prepare()).rejects.toMatchObject({
      code: "MASTER_KEY_MISSING",
      message: expect.stringMatching(
        /There is MASTER_ENCRYPTION_KEY_V2, so .*check its URL, and make no new key/,
      ),
    });
  });

  test("a master key may be a passphrase, from which every process derives the same key", async () => {
    const fixture = await withKey("passphrase:seven fake words that nobody would ever guess");
    const subdomain = await fixture.company("database");
    await Promise.all([fixture.secrets.prepare(), fixture.another().prepare()]);
    await fixture.secrets.company(subdomain, product).set("CUSTOM_KEY", "fake");
    expect(await fixture.another().company(subdomain, product).get("CUSTOM_KEY")).toBe("fake");
    const [row] = await fixture.superuser`select derivation, parameters from master_keys`;
    expect(row).toMatchObject({
      derivation: "argon2id",
      parameters: { algorithm: "argon2id", memoryKiB: 65_536 },
    });
    await fixture.infisical.putSecret(
      "/hono-api",
      name,
      "passphrase:seven fake words that nobody would ever guesS",
    );
    expect(await codeOf(fixture.another().prepare())).toBe("MASTER_KEY_WRONG");
    await fixture.infisical.putSecret("/hono-api", name, "passphrase:too short");
    expect(await codeOf(fixture.another().prepare())).toBe("MASTER_KEY_MALFORMED");
  });

  test("a master key of another region is not created beside the database's own", async () => {
    const fixture = await createFixture();
    await fixture.secrets.prepare();
    await fixture.infisical.putSecret(
      "/hono-api",
      "MASTER_ENCRYPTION_KEY_EU_V1",
      randomBytes(32).toString("hex"),
    );
    const eu = createMasterKeys(fixture.database, fixture.infisical, "eu");
    await expect(eu.load()).rejects.toMatchObject({
      code: "MASTER_KEY_WRONG",
      message: expect.stringContaining("MASTER_KEY_REGION"),
    });
    expect(await fixture.superuser`select from master_keys`).toHaveLength(1);
  });

  test("the master key is requested once by 100 concurrent callers, and again after a failure", async () => {
    const fixture = await createFixture();
    const masterKeys = createMasterKeys(fixture.database, fixture.infisical, "default");
    const listings = () => fixture.emulator.requests().filter(({ path }) => path.includes("secrets")).length;
    const before = listings();
    await Promise.all(Array.from({ length: 100 }, () => masterKeys.load()));
    expect(listings() - before).toBe(1);
    const { siteUrl } = fixture.emulator;
    await fixture.emulator.stop();
    const later = fixture.another();
    expect(await codeOf(later.prepare())).toBe("KEY_UNAVAILABLE");
    const message = await later.prepare().then(
      () => "",
      (error: unknown) => String(error),
    );
    expect(message).not.toContain(siteUrl);
    await masterKeys.load();
  });
});

describe("company keys", () => {
  test("a company's first key is created once by 100 concurrent first writes of two processes", async () => {
    const fixture = await createFixture();
    const other = fixture.another();
    const subdomain = await fixture.company("database");
    await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        (i % 2 === 0 ? fixture.secrets : other).company(subdomain, product).set(`CUSTOM_${i}`, "fake"),
      ),
    );
    const keys =
      await fixture.superuser`select k.key_version as "keyVersion", k.status, count(w.*)::int as wraps from company_keys k
      join company_key_wraps w using (company_id, key_version) group by k.key_version, k.status`;
    expect(keys.map((row) => ({ ...row }))).toEqual([{ keyVersion: 1, status: "active", wraps: 1 }]);
    const third = fixture.another().company(subdomain, product);
    expect(await Promise.all([third.get("CUSTOM_0"), third.get("CUSTOM_99")])).toEqual(["fake", "fake"]);
  });

  test("the audit key and the row key are created once by concurrently starting processes", async () => {
    const fixture = await createFixture();
    const processes = [fixture.secrets, fixture.another(), fixture.another(), fixture.another()];
    await Promise.all(processes.map((secrets) => secrets.prepare()));
    expect(await fixture.superuser`select from audit_key_wraps where purpose = 'mac'`).toHaveLength(1);
    expect(await fixture.superuser`select from audit_key_wraps where purpose = 'row'`).toHaveLength(1);
    await fixture.secrets.companies.create(operator, { subdomain: "acme", secretStore: "database" });
  });
});

test.each(["127.0.0.1", "localhost"])(
  "an unreachable database at %s is DATABASE_UNAVAILABLE, without its address",
  async (host) => {
    const { infisical } = await createFixture();
    const url = `postgres://nobody:fake-password@${host}:1/nothing`;
    const database = connectDatabase({ applicationUrl: url, maintenanceUrl: url });
    const secrets = assembleTenantSecrets({ database, infisical, catalog: deliveryChatCatalog });
    await expect(secrets.prepare()).rejects.toMatchObject({
      code: "DATABASE_UNAVAILABLE",
      message: "The database cannot be reached. Try again in a moment.",
    });
    await database.close();
  },
);
