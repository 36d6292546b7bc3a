import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { openFrom, sealTo, x25519KeyOf, x25519PublicBytes } from "./hpke.ts";

const hex = (text: string) => Buffer.from(text, "hex");

/**
 * Of the file of vectors that RFC 9180, appendix A, refers to (cfrg/draft-irtf-cfrg-hpke, test-vectors.json): mode 0, KEM 32, KDF 1,
 * AEAD 2, the first encryption. The appendix itself prints this KEM with other ciphers only.
 */
const vector = {
  info: "4f6465206f6e2061204772656369616e2055726e",
  skEm: "179d4b53b6365c45b600c4163b61d95cbc2f4d9e36f1695558dce265ab8bab11",
  skRm: "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d",
  pkRm: "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c",
  enc: "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256",
  aad: "436f756e742d30",
  pt: "4265617574792069732074727574682c20747275746820626561757479",
  ct: "e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a",
};
const context = { info: hex(vector.info), aad: hex(vector.aad) };
const message = hex(vector.enc + vector.ct);

const refused = /unable to authenticate data|too short/;

describe("the standard's vector for X25519, HKDF-SHA256 and AES-256-GCM", () => {
  test("has the public halves that its private ones have here", () => {
    expect(x25519PublicBytes(x25519KeyOf(hex(vector.skRm))).toString("hex")).toBe(vector.pkRm);
    expect(x25519PublicBytes(x25519KeyOf(hex(vector.skEm))).toString("hex")).toBe(vector.enc);
  });

  test("is what is made with its ephemeral key", () => {
    const plaintext = hex(vector.pt);
    const made = sealTo(hex(vector.pkRm), { ...context, plaintext }, x25519KeyOf(hex(vector.skEm)));
    expect(made.toString("hex")).toBe(vector.enc + vector.ct);
  });

  test("opens", () => {
    expect(openFrom(x25519KeyOf(hex(vector.skRm)), context, message).toString("hex")).toBe(vector.pt);
  });

  test("does not open with any bit changed, cut, or under another context or key", () => {
    const key = x25519KeyOf(hex(vector.skRm));
    for (let bit = 0; bit < message.length * 8; bit++) {
      const changed = Buffer.from(message);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      // X25519 ignores the highest bit of a public key (RFC 7748, 5), but the key schedule does not.
      expect(() => openFrom(key, context, changed), `bit ${bit}`).toThrow(refused);
    }
    for (let length = 0; length < message.length; length++)
      expect(() => openFrom(key, context, message.subarray(0, length))).toThrow(refused);
    expect(() => openFrom(key, { ...context, info: hex("00") }, message)).toThrow(refused);
    expect(() => openFrom(key, { ...context, aad: hex("00") }, message)).toThrow(refused);
    expect(() => openFrom(x25519KeyOf(hex(vector.skEm)), context, message)).toThrow(refused);
  });
});

test("a key of small order is refused, as a recipient's and as an encapsulation", () => {
  const zeros = Buffer.alloc(32);
  // Of order 8: the u-coordinate that RFC 7748's implementations are warned of.
  const ofOrder8 = hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800");
  const plaintext = Buffer.from("x");
  for (const small of [zeros, ofOrder8]) {
    expect(() => sealTo(small, { ...context, plaintext })).toThrow("failed during derivation");
    const planted = Buffer.concat([small, message.subarray(32)]);
    expect(() => openFrom(x25519KeyOf(hex(vector.skRm)), context, planted)).toThrow(
      "failed during derivation",
    );
  }
});

test("every message has an encapsulation of its own, and opens", () => {
  const key = x25519KeyOf(createHmac("sha256", "fake").update("recipient").digest());
  const plaintext = Buffer.from("fake company key");
  const made = Array.from({ length: 3 }, () => sealTo(x25519PublicBytes(key), { ...context, plaintext }));
  expect(new Set(made.map((each) => each.subarray(0, 32).toString("hex"))).size).toBe(3);
  for (const each of made) expect(openFrom(key, context, each)).toEqual(plaintext);
});

test("a public key of another length is refused", () => {
  expect(() => sealTo(Buffer.alloc(31, 9), { ...context, plaintext: Buffer.from("x") })).toThrow(RangeError);
});
