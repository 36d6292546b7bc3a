import { createHmac, sign, verify, type KeyObject } from "node:crypto";
import type { z } from "zod";
import type { AuditKey, SigningKey } from "@repo/audit-log";
import { encodeFields, fromBase64url, toBase64url, sameBytes } from "@repo/envelope";
import { parseJson } from "@repo/catalog";

/** A proof is a key version, a dot, and a MAC or signature in base64url. */
const proofForm = /^([1-9]\d{0,8})\.([A-Za-z0-9_-]+)$/;

/** The key version that a proof names; undefined for a malformed proof. */
export function keyNumberOf(proof: string): number | undefined {
  const keyVersion = proofForm.exec(proof)?.[1];
  return keyVersion === undefined ? undefined : Number(keyVersion);
}

/** A document's content as the JSON text that proofs cover. */
export function documentText<Content>(schema: z.ZodType<Content>, content: Content): string {
  return JSON.stringify(schema.parse(content), null, 2);
}

/** @returns undefined if the text is no such document */
export function readDocument<Content>(schema: z.ZodType<Content>, text: string): Content | undefined {
  return schema.safeParse(parseJson(text)).data;
}

/**
 * A proof for this deployment alone: a MAC. It covers the format, so that a MAC for another purpose is never valid for a
 * document.
 */
export function macOf(format: string, text: string, { keyVersion, macKey }: AuditKey): string {
  const mac = createHmac("sha256", macKey).update(encodeFields([format, text]));
  return `${keyVersion}.${mac.digest("base64url")}`;
}

/** Whether a proof is the MAC of a text, compared in constant time. */
export function isMacOf(
  format: string,
  text: string,
  { mac, key }: { readonly mac: string; readonly key: AuditKey },
): boolean {
  return sameBytes(macOf(format, text, key), mac);
}

/** A proof for holders of the public key: a signature. */
export function signatureOf(
  format: string,
  text: string,
  { keyVersion, privateKey }: Pick<SigningKey, "keyVersion" | "privateKey">,
): string {
  return `${keyVersion}.${toBase64url(sign(null, signedBytes(format, text), privateKey))}`;
}

/** Whether a proof is a text's signature by one of these keys. */
export function isSignatureOf(
  format: string,
  text: string,
  { signature, keys }: { readonly signature: string; readonly keys: readonly KeyObject[] },
): boolean {
  const bytes = fromBase64url(proofForm.exec(signature)?.[2] ?? "");
  return bytes !== undefined && keys.some((key) => verify(null, signedBytes(format, text), key, bytes));
}

function signedBytes(format: string, text: string): Buffer {
  return Buffer.from(`${format}\n${text}`, "utf8");
}
