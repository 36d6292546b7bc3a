import { argon2Sync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { TenantSecretsError } from "@repo/catalog";
import {
  Argon2Parameters,
  deriveFromPassphrase,
  isPassphrase,
  newArgon2Parameters,
  passphraseFault,
} from "./passphrase.ts";

const fake = "passphrase:fake horse, fake battery, fake staple";
/** The cheapest accepted parameters, to keep the tests quick. */
const cheapest = {
  algorithm: "argon2id",
  version: 19,
  memoryKiB: 19_456,
  passes: 2,
  lanes: 1,
  salt: Buffer.alloc(16, 2).toString("base64url"),
} as const;

async function hex(text: string, parameters: unknown): Promise<string> {
  return (await deriveFromPassphrase(text, parameters)).toString("hex");
}

async function refusalOf(text: string, parameters: unknown): Promise<string> {
  const error = await deriveFromPassphrase(text, parameters).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof TenantSecretsError)) throw new Error("it was not refused");
  expect(error.code).toBe("MASTER_KEY_MALFORMED");
  return error.message;
}

test("the platform's Argon2id is the one of RFC 9106 (5.3)", () => {
  const tag = argon2Sync("argon2id", {
    message: Buffer.alloc(32, 1),
    nonce: Buffer.alloc(16, 2),
    secret: Buffer.alloc(8, 3),
    associatedData: Buffer.alloc(12, 4),
    memory: 32,
    passes: 3,
    parallelism: 4,
    tagLength: 32,
  });
  expect(tag.toString("hex")).toBe("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
});

describe("a passphrase", () => {
  test("is told from 256 bits by its prefix", () => {
    expect([fake, "passphrase:", "a1".repeat(32), "Passphrase:x", ""].map(isPassphrase)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  test("derives to frozen 32 bytes, with the default and with the cheapest parameters", async () => {
    const salt = Buffer.alloc(16, 7).toString("base64url");
    expect(await hex(fake, { ...newArgon2Parameters(), salt })).toBe(
      "2349c3a61c3d841c356ab5df3858204df5287a3f92cc5a0fb671cad52b7cf7f9",
    );
    expect(await hex(fake, cheapest)).toBe(
      "6f93c725cc63b623d8c2e673a1f4aa9850b16993238473d465f428f3964b8b16",
    );
  });

  test("derives to other bytes with another salt, cost or spelling, without normalisation", async () => {
    const derived = await Promise.all([
      hex(fake, cheapest),
      hex(fake, { ...cheapest, salt: Buffer.alloc(16, 3).toString("base64url") }),
      hex(fake, { ...cheapest, passes: 3 }),
      hex(fake, { ...cheapest, lanes: 2 }),
      hex(fake, { ...cheapest, memoryKiB: 20_480 }),
      hex(`${fake} caf\u00e9`, cheapest),
      hex(`${fake} cafe\u0301`, cheapest),
    ]);
    expect(new Set(derived).size).toBe(derived.length);
  });

  test.each([
    ["nothing", "", "20 characters"],
    ["19 characters", "0123456789abcdefghi", "20 characters"],
    // 22 UTF-16 units, 11 characters.
    ["11 emoji", "🐴🐎🏇🦄🦓🐴🐎🏇🦄🦓🐴", "20 characters"],
    ["one word again and again", "fakefakefakefakefakefake", "different characters"],
    ["a newline at the end", "0123456789abcdefghij\n", "white space"],
    ["a lone surrogate", "0123456789abcdefghij\ud800", "Unicode"],
  ])("of %s is refused, and not quoted", async (_, passphrase, rule) => {
    const message = await refusalOf(`passphrase:${passphrase}`, cheapest);
    expect(message).toContain(rule);
    if (passphrase !== "") expect(message).not.toContain(passphrase.slice(0, 10));
  });

  test("of exactly 20 characters is accepted, and a text without the prefix is refused", async () => {
    expect(passphraseFault("0123456789abcdefghij")).toBeUndefined();
    expect(await refusalOf("a1".repeat(32), cheapest)).toContain("does not begin");
  });
});

describe("parameters", () => {
  test("follow the second recommendation of RFC 9106, with a random salt", () => {
    const made = newArgon2Parameters();
    expect(made).toMatchObject({ memoryKiB: 65_536, passes: 3, lanes: 4 });
    expect(Argon2Parameters.parse(made)).toEqual(made);
    expect(newArgon2Parameters().salt).not.toBe(made.salt);
  });

  test("that are hostile or weak are refused before any memory is allocated", async () => {
    const hostile: unknown[] = [
      { ...cheapest, memoryKiB: 2 ** 31 },
      { ...cheapest, memoryKiB: 1024 * 1024 + 1 },
      { ...cheapest, memoryKiB: 19_455 },
      { ...cheapest, memoryKiB: 19_456.5 },
      { ...cheapest, memoryKiB: Number.NaN },
      { ...cheapest, memoryKiB: "65536" },
      { ...cheapest, passes: 2 ** 32 - 1 },
      { ...cheapest, passes: 11 },
      { ...cheapest, passes: 1 },
      { ...cheapest, lanes: 0 },
      { ...cheapest, lanes: -1 },
      { ...cheapest, lanes: 17 },
      { ...cheapest, version: 16 },
      { ...cheapest, algorithm: "argon2i" },
      { ...cheapest, salt: "" },
      { ...cheapest, salt: Buffer.alloc(15, 2).toString("base64url") },
      { ...cheapest, salt: Buffer.alloc(17, 2).toString("base64url") },
      { ...cheapest, salt: `${cheapest.salt}==` },
      { ...cheapest, salt: `${cheapest.salt.slice(0, -1)}h` },
      { ...cheapest, secret: "x" },
      {},
      null,
      undefined,
    ];
    const before = process.resourceUsage().maxRSS;
    const started = performance.now();
    for (const parameters of hostile) expect(await refusalOf(fake, parameters)).toContain("1 GiB");
    expect(performance.now() - started).toBeLessThan(3000);
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(50 * 1024);
  });
});
