import { createCipheriv, createSecretKey, randomBytes } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decryptLegacyValue } from "./legacy.ts";

const rawKey = createSecretKey(randomBytes(32));

function encrypt(
  value: Buffer,
  key = rawKey,
  { ivBytes = 12, tagBytes = 16 }: { readonly ivBytes?: number; readonly tagBytes?: number } = {},
): string {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv("aes-256-gcm", key, iv, { authTagLength: tagBytes });
  const body = Buffer.concat([cipher.update(value), cipher.final()]);
  return [iv, body, cipher.getAuthTag()].map((part) => part.toString("hex")).join(":");
}

function codeOf(text: string, key = rawKey): unknown {
  try {
    decryptLegacyValue(key, text);
    return "opened";
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
}

const value = Buffer.from("sk_test_fake_legacy_0001 é 👩");
const [iv = "", body = "", tag = ""] = encrypt(value).split(":");

test("a row is decrypted in lower case and in upper case", () => {
  expect(decryptLegacyValue(rawKey, `${iv}:${body}:${tag}`)).toEqual(value);
  expect(decryptLegacyValue(rawKey, `${iv}:${body}:${tag}`.toUpperCase())).toEqual(value);
  expect(decryptLegacyValue(rawKey, encrypt(Buffer.alloc(0)))).toEqual(Buffer.alloc(0));
});

test("a public vector of the cipher is decrypted (GCM specification, test case 14)", () => {
  const zeros = createSecretKey(Buffer.alloc(32));
  const text = `${"0".repeat(24)}:cea7403d4d606b6e074ec5d3baf39d18:d0d1c8a799996bf0265b98b5d48ab919`;
  expect(decryptLegacyValue(zeros, text)).toEqual(Buffer.alloc(16));
});

test("any encrypted bytes are decrypted", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(decryptLegacyValue(rawKey, encrypt(Buffer.from(bytes)))).toEqual(Buffer.from(bytes));
    }),
  );
});

describe("another form is INVALID_INPUT:", () => {
  test.each([
    ["nothing", ""],
    ["colons alone", "::"],
    ["two parts", `${iv}:${body}`],
    ["four parts", `${iv}:${body}:${tag}:${tag}`],
    ["a colon at the end", `${iv}:${body}:${tag}:`],
    ["an odd number of digits", `${iv}:${body}a:${tag}`],
    ["what is no digit", `${iv}:${body.slice(0, -2)}zz:${tag}`],
    ["white space", ` ${iv}:${body}:${tag}`],
    ["a line break", `${iv}:${body}:${tag}\n`],
    ["two cases mixed", `${iv}:${body.toUpperCase()}:${tag}`],
    ["an IV of 16 bytes", encrypt(value, rawKey, { ivBytes: 16 })],
    ["an IV of 11 bytes", encrypt(value, rawKey, { ivBytes: 11 })],
    ["a tag of 4 bytes", encrypt(value, rawKey, { ivBytes: 12, tagBytes: 4 })],
    ["the tag cut to 4 bytes", `${iv}:${body}:${tag.slice(0, 8)}`],
    ["a tag of 15 bytes", `${iv}:${body}:${tag.slice(0, 30)}`],
    ["a tag of 17 bytes", `${iv}:${body}:${tag}00`],
    ["our own format", "ts1.1.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
  ])("%s", (_, text) => {
    expect(codeOf(text)).toBe("INVALID_INPUT");
  });
});

describe("a text that does not decrypt is INTEGRITY_FAILURE:", () => {
  const flip = (hex: string, at: number) =>
    `${hex.slice(0, at)}${hex[at] === "0" ? "1" : "0"}${hex.slice(at + 1)}`;
  const other = encrypt(Buffer.from(value.toString("utf8").toUpperCase())).split(":");
  test.each([
    ["a flipped bit of the IV", `${flip(iv, 3)}:${body}:${tag}`],
    ["a flipped bit of the ciphertext", `${iv}:${flip(body, 5)}:${tag}`],
    ["a flipped bit of the tag", `${iv}:${body}:${flip(tag, 31)}`],
    ["a shortened ciphertext", `${iv}:${body.slice(2)}:${tag}`],
    ["an emptied ciphertext", `${iv}::${tag}`],
    ["the ciphertext of another row", `${iv}:${other[1]}:${tag}`],
  ])("%s", (_, text) => {
    expect(codeOf(text)).toBe("INTEGRITY_FAILURE");
  });

  test("another key", () => {
    expect(codeOf(encrypt(value), createSecretKey(randomBytes(32)))).toBe("INTEGRITY_FAILURE");
  });
});

test("no error repeats the text that it refuses", () => {
  for (const text of [`${iv}:${body}`, `${iv}:${body}:${"0".repeat(32)}`]) {
    expect(() => decryptLegacyValue(rawKey, text)).toThrow(
      expect.objectContaining({ message: expect.not.stringMatching(new RegExp(body.slice(0, 8))) }),
    );
  }
});
