import { createSecretKey, randomBytes } from "node:crypto";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { TenantSecretsError } from "@repo/catalog";
import { decodeFields, encodeFields } from "./encoding.ts";
import {
  isExternalWrap,
  type KeyPlace,
  rewrapKey,
  unwrapExternal,
  unwrapKey,
  wrapExternal,
  wrapKey,
} from "./envelope.ts";

const wrappingKey = createSecretKey(randomBytes(32));
const place: KeyPlace = {
  kind: "company-key",
  owner: "0198c0de-5eed-7a11-8bad-0ddba11c0ffe",
  keyVersion: 3,
  region: "default",
  masterKeyVersion: 21,
};
const wrap = {
  externalKey: "arn:aws:kms:eu-central-1:111122223333:key/fake",
  ciphertext: randomBytes(184),
  check: randomBytes(16),
};
const wrapped = wrapExternal(wrappingKey, place, wrap);

function refusal(open: () => unknown): string {
  try {
    open();
    return "opened";
  } catch (error) {
    return error instanceof TenantSecretsError ? error.code : String(error);
  }
}

test("an external wrap opens to what was wrapped, and shows neither the name nor the ciphertext", () => {
  expect(unwrapExternal(wrappingKey, place, wrapped)).toEqual(wrap);
  expect(isExternalWrap(wrapped)).toBe(true);
  expect(Buffer.from(wrapped.split(".").at(-1) ?? "", "base64url").includes(wrap.externalKey)).toBe(false);
});

test("an external wrap is refused at every other place", () => {
  const changes = [
    { kind: "audit-key" },
    { owner: "0198c0de-5eed-7a11-8bad-0ddba11c0fff" },
    { keyVersion: 2 },
    { region: "eu" },
    { masterKeyVersion: 22 },
  ] as const;
  for (const change of changes) {
    const other = { ...place, ...change };
    const relabelled = wrapped.replace("tx1.default.21.", `tx1.${other.region}.${other.masterKeyVersion}.`);
    for (const text of [wrapped, relabelled])
      expect(refusal(() => unwrapExternal(wrappingKey, other, text))).toBe("INTEGRITY_FAILURE");
  }
});

test("an external wrap is no plain one, and a plain one no external one, under whichever name", () => {
  const plain = wrapKey(wrappingKey, place, randomBytes(32));
  const attempts = [
    () => unwrapKey(wrappingKey, place, wrapped),
    () => unwrapKey(wrappingKey, place, wrapped.replace("tx1", "tk1")),
    () => unwrapExternal(wrappingKey, place, plain),
    () => unwrapExternal(wrappingKey, place, plain.replace("tk1", "tx1")),
  ];
  expect(attempts.map(refusal)).toEqual(attempts.map(() => "INTEGRITY_FAILURE"));
});

test("every changed bit and every other length is refused", () => {
  const [head, body] = [wrapped.slice(0, wrapped.lastIndexOf(".")), wrapped.split(".").at(-1) ?? ""];
  const bytes = Buffer.from(body, "base64url");
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const text = `${head}.${changed.toString("base64url")}`;
    expect(refusal(() => unwrapExternal(wrappingKey, place, text))).toBe("INTEGRITY_FAILURE");
  }
  for (let length = 0; length < bytes.length; length++) {
    const text = `${head}.${bytes.subarray(0, length).toString("base64url")}`;
    expect(refusal(() => unwrapExternal(wrappingKey, place, text))).toBe("INTEGRITY_FAILURE");
  }
});

test("rewrapping keeps what is inside both formats, and refuses a wrap that does not open", () => {
  const to = { wrappingKey: createSecretKey(randomBytes(32)), place: { ...place, masterKeyVersion: 22 } };
  const again = rewrapKey({ wrappingKey, place }, to, wrapped);
  expect(unwrapExternal(to.wrappingKey, to.place, again)).toEqual(wrap);
  const secret = randomBytes(32);
  const plain = rewrapKey({ wrappingKey, place }, to, wrapKey(wrappingKey, place, secret));
  expect(unwrapKey(to.wrappingKey, to.place, plain)).toEqual(secret);
  for (const text of [again, `${wrapped.slice(0, -4)}AAAA`, "", "tx1.default.21"])
    expect(refusal(() => rewrapKey({ wrappingKey, place }, to, text))).toBe("INTEGRITY_FAILURE");
});

test("names, ciphertexts and check values have their bounds", () => {
  const sizes = [
    { externalKey: "" },
    { externalKey: "x".repeat(2049) },
    { ciphertext: Buffer.alloc(0) },
    { ciphertext: Buffer.alloc(6145) },
    { check: Buffer.alloc(15) },
  ];
  for (const change of sizes)
    expect(() => wrapExternal(wrappingKey, place, { ...wrap, ...change })).toThrow(RangeError);
  const largest = { ...wrap, externalKey: "x".repeat(2048), ciphertext: Buffer.alloc(6144, 1) };
  const text = wrapExternal(wrappingKey, place, largest);
  expect(unwrapExternal(wrappingKey, place, text)).toEqual(largest);
});

test("fields are decoded to what was encoded, and nothing else is decoded", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (fields) => {
      const encoded = encodeFields(fields.map((field) => Buffer.from(field)));
      expect(decodeFields(encoded)?.map((field) => [...field])).toEqual(fields.map((field) => [...field]));
      if (encoded.length > 0) expect(decodeFields(encoded.subarray(0, -1))).not.toEqual(fields);
    }),
  );
  for (const hex of ["00", "00000001", "ffffffff", "0000000161ff"])
    expect(decodeFields(Buffer.from(hex, "hex"))).toBeUndefined();
});
