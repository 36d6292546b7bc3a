import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { TenantSecretsError } from "@repo/catalog";
import { deriveCompanyKey, deriveMasterKey, fingerprint, requestMac } from "./derivation.ts";
import { sameBytes } from "./bytes.ts";

const text = randomBytes(32).toString("hex");
const companyId = "0198c0de-5eed-7a11-8bad-0ddba11c0ffe";
const bytesOf = (derive: (secret: Buffer) => ReturnType<typeof deriveCompanyKey>) => {
  const { valueKey, fingerprintKey } = derive(Buffer.from(text, "hex"));
  return [valueKey, fingerprintKey].map((key) => key.export().toString("hex"));
};

function refusalOf(malformed: string): TenantSecretsError {
  try {
    deriveMasterKey(malformed, "eu-west", 7);
  } catch (error) {
    if (error instanceof TenantSecretsError) return error;
    throw error;
  }
  throw new Error("The key was taken.");
}

describe("a master key", () => {
  test("is accepted in upper and in lower case, as the same key", () => {
    const lower = deriveMasterKey(text.toLowerCase(), "default", 1);
    const upper = deriveMasterKey(text.toUpperCase(), "default", 1);
    expect(upper.checkValue).toBe(lower.checkValue);
    expect(upper.wrappingKey.equals(lower.wrappingKey)).toBe(true);
  });

  test.for([
    ["one digit short", text.slice(1)],
    ["one digit long", `${text}0`],
    ["half", text.slice(32)],
    ["twice", text + text],
    ["ending in what is no digit", `${text.slice(2)}zz`],
    ["beginning with 0x", `0x${text.slice(2)}`],
    ["with a line break", `${text}\n`],
    ["with CR and LF", `${text}\r\n`],
    ["with a space before it", ` ${text}`],
    ["with a space in it", `${text.slice(0, 32)} ${text.slice(33)}`],
    ["in digits of another script", "٠".repeat(64)],
    ["empty", ""],
    ["base64", randomBytes(32).toString("base64")],
    ["a passphrase", "passphrase:correct horse battery staple"],
  ] as const)(
    "is refused %s, by a message that names the rule and the version and no digit",
    ([, malformed]) => {
      const { code, message } = refusalOf(malformed);
      expect(code).toBe("MASTER_KEY_MALFORMED");
      expect(message).toBe(
        "The master key of version 7, region eu-west, is not exactly 64 hexadecimal digits. Make one with: openssl rand -hex 32",
      );
    },
  );

  test.for([
    ["all zero", "0".repeat(64)],
    ["all one", "f".repeat(64)],
    ["the sixteen digits again and again", "0123456789abcdef".repeat(4)],
    ["deadbeef again and again", "deadbeef".repeat(8)],
    ["counting up", Buffer.from(Array.from({ length: 32 }, (_, i) => i)).toString("hex")],
    [
      "counting up from elsewhere",
      Buffer.from(Array.from({ length: 32 }, (_, i) => 250 + i)).toString("hex"),
    ],
    ["counting down", Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)).toString("hex")],
    ["counting in elevens", Buffer.from(Array.from({ length: 32 }, (_, i) => 11 * i)).toString("hex")],
    ["zeros and a one", `${"0".repeat(63)}1`],
  ] as const)("is refused when it is %s", ([, pattern]) => {
    const { code, message } = refusalOf(pattern);
    expect(code).toBe("MASTER_KEY_MALFORMED");
    expect(message).toContain("is a sample or a pattern, not a random key");
    expect(message).not.toContain(pattern.slice(0, 8));
  });

  test("is accepted whenever it is random", () => {
    for (let i = 0; i < 1000; i++) {
      expect(deriveMasterKey(randomBytes(32).toString("hex"), "default", 1).version).toBe(1);
    }
  });

  test("derives another key and another check value for each region and version", () => {
    const keys = [
      deriveMasterKey(text, "default", 1),
      deriveMasterKey(text, "default", 2),
      deriveMasterKey(text, "eu", 1),
      deriveMasterKey(text, "eu1", 1),
      deriveMasterKey(text, "eu", 11),
    ];
    expect(new Set(keys.map((key) => key.wrappingKey.export().toString("hex"))).size).toBe(keys.length);
    expect(new Set(keys.map((key) => key.checkValue)).size).toBe(keys.length);
  });

  test("has a check value that reveals no part of the wrapping key or of the master key", () => {
    const { wrappingKey, checkValue } = deriveMasterKey(text, "default", 1);
    const shown = Buffer.from(checkValue, "base64url");
    expect(shown).toHaveLength(16);
    for (const hidden of [wrappingKey.export(), Buffer.from(text, "hex")]) {
      expect(hidden.includes(shown.subarray(0, 4))).toBe(false);
    }
  });
});

describe("a company key", () => {
  test("derives two keys that differ from each other, from the secret, and for each company and version", () => {
    const all = [
      ...bytesOf((secret) => deriveCompanyKey(secret, companyId, 1)),
      ...bytesOf((secret) => deriveCompanyKey(secret, companyId, 2)),
      ...bytesOf((secret) => deriveCompanyKey(secret, companyId.replace(/e$/, "f"), 1)),
      ...bytesOf((secret) => deriveCompanyKey(secret, `${companyId}1`, 1)),
      text,
    ];
    expect(new Set(all).size).toBe(9);
  });

  test("is wiped from the buffer that it is derived from", () => {
    const secret = randomBytes(32);
    deriveCompanyKey(secret, companyId, 1);
    expect(secret.equals(Buffer.alloc(32))).toBe(true);
  });
});

test("keys reveal none of their bytes when they are inspected, serialised or printed", () => {
  const master = deriveMasterKey(text, "default", 1);
  const company = deriveCompanyKey(randomBytes(32), companyId, 1);
  const keys = [master.wrappingKey, company.valueKey, company.fingerprintKey];
  const printed = [master, company, ...keys]
    .flatMap((key) => [inspect(key, { depth: null, showHidden: true, getters: true }), JSON.stringify(key)])
    .join("\n");
  for (const key of keys) {
    const bytes = key.export();
    for (const encoding of ["hex", "base64", "base64url", "latin1"] as const) {
      expect(printed.includes(bytes.toString(encoding).slice(0, 6))).toBe(false);
    }
    expect(printed).not.toContain([...bytes.subarray(0, 4)].join(","));
    expect(printed).not.toContain(inspect(bytes).slice(8, 20));
  }
});

describe("a fingerprint", () => {
  const key = deriveCompanyKey(Buffer.from(text, "hex"), companyId, 1);
  const value = Buffer.from("sk_test_fake_codewiser_0001");

  test("is equal for equal values of one company, and differs for every other value, company and key", () => {
    const names = [
      fingerprint(key, value),
      fingerprint(key, Buffer.from("sk_test_fake_codewiser_0002")),
      fingerprint(key, Buffer.alloc(0)),
      fingerprint(deriveCompanyKey(Buffer.from(text, "hex"), companyId, 2), value),
      fingerprint(deriveCompanyKey(Buffer.from(text, "hex"), `${companyId}1`, 1), value),
      requestMac(key, [value]),
      requestMac(key, ["value", value]),
    ];
    expect(new Set(names).size).toBe(names.length);
    expect(fingerprint(key, Buffer.from(value))).toBe(names[0]);
    expect(names[0]).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  test("of a request keeps adjacent fields apart", () => {
    expect(requestMac(key, ["a", "bc"])).not.toBe(requestMac(key, ["ab", "c"]));
    expect(requestMac(key, ["a", "bc"])).toBe(requestMac(key, ["a", Buffer.from("bc")]));
  });
});

test("check values are compared as a whole", () => {
  expect(sameBytes("UuF_AtI3PJJiRfsWsnVogQ", "UuF_AtI3PJJiRfsWsnVogQ")).toBe(true);
  for (const other of ["UuF_AtI3PJJiRfsWsnVogA", "UuF_AtI3PJJiRfsWsnVog", "UuF_AtI3PJJiRfsWsnVogQ=", ""]) {
    expect(sameBytes("UuF_AtI3PJJiRfsWsnVogQ", other)).toBe(false);
  }
});
