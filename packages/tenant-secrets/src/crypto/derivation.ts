import { createHmac, createSecretKey, hkdfSync, timingSafeEqual, type KeyObject } from "node:crypto";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import { encodeFields, toBase64url } from "./encoding.ts";

export interface MasterKey {
  readonly region: string;
  readonly version: number;
  /** Wraps company keys and audit keys, and does nothing else. */
  readonly wrappingKey: KeyObject;
  /** Says whether two copies of a master key are the same key, and nothing about its bytes. */
  readonly checkValue: string;
}

/**
 * Reads a master key as it stands in Infisical and derives what is used of it (HKDF-SHA256, RFC 5869).
 *
 * @param text exactly 64 hexadecimal digits: 256 random bits
 * @throws {TenantSecretsError} MASTER_KEY_MALFORMED, naming the version and the rule, never a digit
 */
export function deriveMasterKey(text: string, region: string, version: number): MasterKey {
  const refuse = (rule: string): TenantSecretsError =>
    new TenantSecretsError(
      "MASTER_KEY_MALFORMED",
      `The master key of version ${version}, region ${region}, ${rule}. Make one with: openssl rand -hex 32`,
    );
  if (!/^[0-9a-fA-F]{64}$/.test(text)) throw refuse("is not exactly 64 hexadecimal digits");
  const secret = Buffer.from(text, "hex");
  try {
    if (isGuessable(secret)) throw refuse("is a sample or a pattern, not a random key");
    return {
      region,
      version,
      wrappingKey: createSecretKey(derive(secret, ["wrap", region, String(version)])),
      checkValue: toBase64url(derive(secret, ["check", region, String(version)]).subarray(0, 16)),
    };
  } finally {
    secret.fill(0);
  }
}

/** Few different bytes, or counting up or down: zeros, repeated words and the keys of examples. */
function isGuessable(secret: Buffer): boolean {
  const steps = new Set<number>();
  for (let i = 1; i < secret.length; i++) steps.add(((secret[i] ?? 0) - (secret[i - 1] ?? 0)) & 0xff);
  return steps.size <= 2 || new Set(secret).size <= 8;
}

export function sameCheckValue(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

/** The two keys that a company key becomes: one purpose each. */
export interface CompanyKey {
  readonly no: number;
  readonly valueKey: KeyObject;
  readonly fingerprintKey: KeyObject;
}

/** @param secret 32 random bytes; wiped here */
export function deriveCompanyKey(secret: Buffer, companyId: string, no: number): CompanyKey {
  try {
    return {
      no,
      valueKey: createSecretKey(derive(secret, ["value", companyId, String(no)])),
      fingerprintKey: createSecretKey(derive(secret, ["fingerprint", companyId, String(no)])),
    };
  } finally {
    secret.fill(0);
  }
}

function derive(secret: Buffer, purpose: readonly string[]): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, Buffer.alloc(0), encodeFields(["tenant-secrets/1", ...purpose]), 32));
}

/**
 * A keyed name for a value: equal values of one company have equal fingerprints, and without the company's key
 * nothing can be tried against one.
 */
export function fingerprint(key: CompanyKey, plaintext: Buffer): string {
  return toBase64url(createHmac("sha256", key.fingerprintKey).update(encodeFields(["value", plaintext])).digest());
}

/** A MAC over what a write asked for, to tell a retry from another request under the same id. */
export function requestMac(key: CompanyKey, fields: readonly (string | Buffer)[]): string {
  return toBase64url(createHmac("sha256", key.fingerprintKey).update(encodeFields(["request", ...fields])).digest());
}
