import { createSecretKey, generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  documentText,
  isMacOf,
  isSignatureOf,
  keyNumberOf,
  macOf,
  readDocument,
  signatureOf,
} from "./signed-document.ts";

const format = "tenant-secrets-test/1";
const Content = z.strictObject({ format: z.literal(format), count: z.int() });
const text = documentText(Content, { format, count: 3 });
const edited = text.replace("3", "4");
const keyOf = (keyVersion: number, byte: number) => ({
  keyVersion,
  macKey: createSecretKey(Buffer.alloc(32, byte)),
});
const pair = generateKeyPairSync("ed25519");

describe("a document", () => {
  test("is read as what it says, and no other text is one", () => {
    expect(readDocument(Content, text)).toEqual({ format, count: 3 });
    for (const other of [
      "",
      "{",
      "null",
      '{"format":"tenant-secrets-test/2","count":3}',
      text.replace("3", "3.5"),
    ]) {
      expect(readDocument(Content, other)).toBeUndefined();
    }
  });

  test("with a MAC is genuine as it was made, and not once text, format, key or MAC differ", () => {
    const key = keyOf(2, 1);
    const mac = macOf(format, text, key);
    expect(keyNumberOf(mac)).toBe(2);
    expect(isMacOf(format, text, { mac, key })).toBe(true);
    expect(isMacOf(format, edited, { mac, key })).toBe(false);
    expect(isMacOf("tenant-secrets-test/2", text, { mac, key })).toBe(false);
    expect(isMacOf(format, text, { mac, key: keyOf(2, 2) })).toBe(false);
    expect(isMacOf(format, text, { mac, key: keyOf(3, 1) })).toBe(false);
    expect(isMacOf(format, text, { mac: `${mac}A`, key })).toBe(false);
  });

  test("with a signature is genuine to a holder of the public key, and not once text, format, key or signature differ", () => {
    const signature = signatureOf(format, text, { keyVersion: 1, privateKey: pair.privateKey });
    const stranger = generateKeyPairSync("ed25519").publicKey;
    expect(isSignatureOf(format, text, { signature, keys: [stranger, pair.publicKey] })).toBe(true);
    expect(isSignatureOf(format, text, { signature, keys: [stranger] })).toBe(false);
    expect(isSignatureOf(format, edited, { signature, keys: [pair.publicKey] })).toBe(false);
    expect(isSignatureOf("tenant-secrets-test/2", text, { signature, keys: [pair.publicKey] })).toBe(false);
    expect(
      isSignatureOf(format, text, { signature: signature.replace("1.", ""), keys: [pair.publicKey] }),
    ).toBe(false);
  });

  test("names the key of a proof, and none for what is no proof", () => {
    expect(["1.AA", "0.AA", "01.AA", "1.", "1.A A", ".AA", "1"].map(keyNumberOf)).toEqual([
      1,
      ...Array(6).fill(undefined),
    ]);
  });
});
