import { createCipheriv, createSecretKey, randomBytes, type KeyObject } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TenantSecretsError } from "@repo/catalog";
import {
  integrityFailure,
  decryptValue,
  encryptValue,
  unwrapKey,
  wrapKey,
  type KeyPlace,
  type ValuePlace,
} from "./envelope.ts";

const key = createSecretKey(randomBytes(32));
const place: ValuePlace = {
  companyId: "0198c0de-5eed-7a11-8bad-0ddba11c0ffe",
  secretKey: "STRIPE_SECRET_KEY",
  version: 12,
  companyKeyVersion: 3,
};
const keyPlace: KeyPlace = {
  kind: "company-key",
  owner: place.companyId,
  keyVersion: 3,
  region: "default",
  masterKeyVersion: 21,
};
const plaintext = Buffer.from("sk_test_fake_codewiser_0001");
const encrypted = encryptValue(key, place, plaintext);
const secret = randomBytes(32);
const wrapped = wrapKey(key, keyPlace, secret);
const formats = [
  { name: "an encrypted value", text: encrypted, open: (text: string) => decryptValue(key, place, text) },
  { name: "a wrapped key", text: wrapped, open: (text: string) => unwrapKey(key, keyPlace, text) },
];

/** The distinct ends of the attempts. Almost every test here expects one: the refusal. */
function endings(attempts: readonly (() => Buffer)[]): string[] {
  const seen = new Set<string>();
  for (const attempt of attempts) {
    try {
      seen.add(`opened ${attempt().length} bytes`);
    } catch (error) {
      seen.add(error instanceof TenantSecretsError ? `${error.code}: ${error.message}` : String(error));
    }
  }
  return [...seen];
}

const refused = [`INTEGRITY_FAILURE: ${integrityFailure().message}`];

describe.for(formats)("$name", ({ text, open }) => {
  const parts = text.split(".");
  const head = parts.slice(0, -2).join(".");
  const iv = parts.at(-2) ?? "";
  const body = parts.at(-1) ?? "";
  const respell = (ivText: string, bodyText: string) => () => open(`${head}.${ivText}.${bodyText}`);
  const bodyBytes = Buffer.from(body, "base64url");

  test("decrypts at the place that it was encrypted for", () => {
    expect(endings([() => open(text)])).toEqual([`opened ${bodyBytes.length - 16} bytes`]);
  });

  test("is refused with any one bit of its text flipped", () => {
    const bytes = Buffer.from(text, "latin1");
    const flipped = Array.from({ length: bytes.length * 8 }, (_, bit) => () => {
      const copy = Buffer.from(bytes);
      copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      return open(copy.toString("latin1"));
    });
    expect(endings(flipped)).toEqual(refused);
  });

  test("is refused with any one bit of its IV, ciphertext or tag flipped", () => {
    const flips = (bytes: Buffer, spell: (changed: string) => () => Buffer) =>
      Array.from({ length: bytes.length * 8 }, (_, bit) => {
        const copy = Buffer.from(bytes);
        copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        return spell(copy.toString("base64url"));
      });
    const attempts = [
      ...flips(Buffer.from(iv, "base64url"), (changed) => respell(changed, body)),
      ...flips(bodyBytes, (changed) => respell(iv, changed)),
    ];
    expect(endings(attempts)).toEqual(refused);
  });

  test("is refused truncated at any length", () => {
    expect(endings(Array.from(text, (_, length) => () => open(text.slice(0, length))))).toEqual(refused);
    expect(endings(Array.from(text, (_, length) => () => open(text.slice(length + 1))))).toEqual(refused);
  });

  test("is refused with text appended, prepended or repeated", () => {
    const strange = [
      "A",
      "AA",
      "AAAA",
      "=",
      "==",
      ".",
      "..",
      ".A",
      "\n",
      "\r\n",
      " ",
      "\t",
      "\0",
      "-",
      `.${text}`,
      text,
    ];
    expect(endings(strange.flatMap((more) => [() => open(text + more), () => open(more + text)]))).toEqual(
      refused,
    );
    expect(endings([() => open(text.replace(".", "..")), () => open(text.replaceAll(".", ".."))])).toEqual(
      refused,
    );
    expect(endings([() => open(text.replaceAll(".", ":")), () => open(text.replaceAll(".", ""))])).toEqual(
      refused,
    );
  });

  test("is refused in every non-canonical spelling of the same bytes", () => {
    const padded = Buffer.from(body, "base64url").toString("base64");
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const same = (bodyText: string) =>
      Buffer.from(bodyText, "base64url").equals(bodyBytes) && bodyText !== body;
    const stray = Array.from(alphabet, (last) => body.slice(0, -1) + last).filter(same);
    const spellings = [
      `${body}=`,
      `${body}==`,
      padded,
      `${body}\n`,
      ` ${body}`,
      `${body}%`,
      body.replace(/^./, "$& "),
    ];
    expect(endings([...spellings, ...stray].filter(same).map((bodyText) => respell(iv, bodyText)))).toEqual(
      refused,
    );
    expect(endings([`${iv}=`, ` ${iv}`, `${iv}\n`].map((ivText) => respell(ivText, body)))).toEqual(refused);
  });

  test("is refused under another name of the format", () => {
    const names = [
      head.toUpperCase(),
      head.replace("1", "2"),
      head.replace("1", ""),
      head.replace("1", "01"),
      ` ${head}`,
    ];
    expect(endings(names.map((name) => () => open(`${name}.${iv}.${body}`)))).toEqual(refused);
  });

  test("is refused with a truncated tag, also of a length that the cipher itself accepts", () => {
    const cut = [0, 4, 8, 12, 13, 14, 15].map((tagBytes) =>
      bodyBytes.subarray(0, bodyBytes.length - 16 + tagBytes),
    );
    expect(endings(cut.map((bytes) => respell(iv, bytes.toString("base64url"))))).toEqual(refused);
  });

  test("is refused with an IV of another length, or without one", () => {
    const ivs = [0, 1, 11, 13, 16].map((length) => Buffer.alloc(length, 7).toString("base64url"));
    expect(endings(ivs.map((ivText) => respell(ivText, body)))).toEqual(refused);
  });

  test("is refused without ciphertext", () => {
    expect(endings([respell(iv, ""), respell(iv, bodyBytes.subarray(-16).toString("base64url"))])).toEqual(
      refused,
    );
  });
});

test("text that is no envelope is refused", () => {
  const texts = [
    "",
    ".",
    "...",
    "....",
    "ts1",
    "ts1.3",
    "ts1.3.",
    "ts1.3..",
    "tk1.default.21..",
    "null",
    "{}",
    "[redacted]",
  ];
  const attempts = texts.flatMap((text) =>
    formats.map(
      ({ open }) =>
        () =>
          open(text),
    ),
  );
  expect(endings(attempts)).toEqual(refused);
});

test("the hexadecimal iv:ciphertext:tag of older code is refused", () => {
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const body = Buffer.concat([cipher.update(plaintext), cipher.final()]).toString("hex");
  const older = `${iv.toString("hex")}:${body}:${cipher.getAuthTag().toString("hex")}`;
  expect(
    endings(formats.flatMap(({ open }) => [() => open(older), () => open(older.replaceAll(":", "."))])),
  ).toEqual(refused);
});

test("an encrypted value is refused at another company, secret key, version or key version", () => {
  const places: Partial<ValuePlace>[] = [
    { companyId: "0198c0de-5eed-7a11-8bad-0ddba11c0fff" },
    { companyId: "" },
    { secretKey: "STRIPE_SECRET_KEY_" },
    { secretKey: "stripe_secret_key" },
    { version: 11 },
    { version: 13 },
    { version: 1 },
    { companyKeyVersion: 2 },
    { companyKeyVersion: 33 },
  ];
  expect(endings(places.map((other) => () => decryptValue(key, { ...place, ...other }, encrypted)))).toEqual(
    refused,
  );
});

test("an encrypted value is refused when its text names another key version", () => {
  const relabelled = encrypted.replace("ts1.3.", "ts1.4.");
  expect(endings([() => decryptValue(key, { ...place, companyKeyVersion: 4 }, relabelled)])).toEqual(refused);
});

test("a wrapped key is refused at another kind, owner, version, region or master key version, relabelled or not", () => {
  const places: Partial<KeyPlace>[] = [
    { kind: "audit-key" },
    { owner: "mac" },
    { keyVersion: 4 },
    { region: "eu" },
    { masterKeyVersion: 2 },
    { masterKeyVersion: 22 },
  ];
  const attempts = places.flatMap((change) => {
    const other = { ...keyPlace, ...change };
    const relabelled = wrapped.replace("tk1.default.21.", `tk1.${other.region}.${other.masterKeyVersion}.`);
    return [() => unwrapKey(key, other, wrapped), () => unwrapKey(key, other, relabelled)];
  });
  expect(endings(attempts)).toEqual(refused);
});

test("values and wraps are refused under another key", () => {
  const other = createSecretKey(randomBytes(32));
  const attempts = [() => decryptValue(other, place, encrypted), () => unwrapKey(other, keyPlace, wrapped)];
  expect(endings(attempts)).toEqual(refused);
});

test("a wrap is refused in the place of a value, and a value in the place of a wrap, under the same key", () => {
  const body = wrapped.split(".").slice(3).join(".");
  const encrypted32 = encryptValue(key, place, secret).split(".").slice(2).join(".");
  const attempts = [
    () => decryptValue(key, place, wrapped),
    () => decryptValue(key, place, `ts1.3.${body}`),
    () => unwrapKey(key, keyPlace, encrypted),
    () => unwrapKey(key, keyPlace, `tk1.default.21.${encrypted32}`),
  ];
  expect(endings(attempts)).toEqual(refused);
});

test("the border between company and secret key is authenticated: a·bc is not ab·c", () => {
  const text = encryptValue(key, { ...place, companyId: "a", secretKey: "bc" }, plaintext);
  expect(endings([() => decryptValue(key, { ...place, companyId: "ab", secretKey: "c" }, text)])).toEqual(
    refused,
  );
});

test("10,000 encryptions repeat no IV and no text", () => {
  const texts = Array.from({ length: 10_000 }, () => encryptValue(key, place, plaintext));
  expect(new Set(texts.map((text) => text.split(".")[2])).size).toBe(10_000);
  expect(new Set(texts).size).toBe(10_000);
});

test.for([
  [1, 23],
  [65_536, 87_403],
])("%i bytes are encrypted into %i characters of body, and decrypted again", ([size = 0, characters]) => {
  const large = randomBytes(size);
  const text = encryptValue(key, place, large);
  expect(text.split(".")[3]).toHaveLength(characters ?? 0);
  expect(decryptValue(key, place, text).equals(large)).toBe(true);
});

test("an empty value and a key of another length than 32 bytes are not encrypted", () => {
  expect(() => encryptValue(key, place, Buffer.alloc(0))).toThrow(RangeError);
  for (const length of [0, 16, 31, 33, 64]) {
    expect(() => wrapKey(key, keyPlace, Buffer.alloc(length, 1))).toThrow(RangeError);
  }
});

test("a wrap of another length than 32 bytes is refused, although it authenticates", () => {
  const fields = ["tk1", "company-key", keyPlace.owner, "3", "default", "21"];
  const attempts = [16, 31, 33].map((length) => {
    const body = encryptRaw(key, fields, Buffer.alloc(length, 1));
    return () => unwrapKey(key, keyPlace, `tk1.default.21.${body}`);
  });
  expect(endings(attempts)).toEqual(refused);
  expect(unwrapKey(key, keyPlace, `tk1.default.21.${encryptRaw(key, fields, secret)}`)).toEqual(secret);
});

test("any bytes decrypt at their own place, and at no other place", () => {
  const places = fc.record({
    companyId: fc.uuid(),
    secretKey: fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,99}$/),
    version: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    companyKeyVersion: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  });
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 2000 }), places, places, (bytes, here, there) => {
      const text = encryptValue(key, here, Buffer.from(bytes));
      expect(text).toMatch(/^ts1\.[1-9]\d*\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{23,}$/);
      expect(decryptValue(key, here, text).equals(bytes)).toBe(true);
      for (const other of [
        there,
        { ...here, version: here.version + 1 },
        { ...here, companyId: there.companyId },
      ]) {
        if (JSON.stringify(other) !== JSON.stringify(here)) {
          expect(endings([() => decryptValue(key, other, text)])).toEqual(refused);
        }
      }
    }),
  );
});

test("any text ends in the one refusal", () => {
  const alphabet = fc.constantFrom(...Array.from("ts1k.3AZaz09-_=+/ \n\0ä🔑"));
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: alphabet })), (text) => {
      expect(
        endings(
          formats.map(
            ({ open }) =>
              () =>
                open(text),
          ),
        ),
      ).toEqual(refused);
      expect(endings([() => decryptValue(key, place, `ts1.3.${text}`)])).toEqual(refused);
    }),
  );
});

function encryptRaw(under: KeyObject, fields: readonly string[], bytes: Buffer): string {
  const context = fields.map((field) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(field.length);
    return Buffer.concat([length, Buffer.from(field)]);
  });
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", under, iv, { authTagLength: 16 }).setAAD(
    Buffer.concat(context),
  );
  const body = Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
  return `${iv.toString("base64url")}.${body.toString("base64url")}`;
}
