import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import { TenantSecretsError } from "@repo/catalog";
import { encodeFields, encodeLength, toBase64url } from "./encoding.ts";

export interface MasterKey {
  readonly region: string;
  readonly version: number;
  /** Wraps company keys and audit keys. It has no other use. */
  readonly wrappingKey: KeyObject;
  /** Identifies the master key without revealing any of its bytes. */
  readonly checkValue: string;
}

/** SHA-256 of published keys. The one here is the sample key of docs/envelope.md. */
const documentedKeys: ReadonlySet<string> = new Set([
  "0098402a697813dce6c5edb2430ad3cce5c083631540b42e122081caf378326b",
]);

/**
 * Reads a master key as Infisical holds it, and derives the keys in use from it (HKDF-SHA256, RFC 5869).
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
  if (isDocumented(secret) || isGuessable(secret)) {
    secret.fill(0);
    throw refuse("is a sample or a pattern, not a random key");
  }
  return expandMasterKey(secret, region, version);
}

/** The derivation of `deriveMasterKey`, for bytes that were checked already. @param secret wiped here */
export function expandMasterKey(secret: Buffer, region: string, version: number): MasterKey {
  try {
    return {
      region,
      version,
      wrappingKey: deriveKey(secret, ["wrap", region, String(version)]),
      checkValue: toBase64url(derive(secret, ["check", region, String(version)]).subarray(0, 16)),
    };
  } finally {
    secret.fill(0);
  }
}

function isDocumented(secret: Buffer): boolean {
  return documentedKeys.has(createHash("sha256").update(secret).digest("hex"));
}

/** Few different bytes, or constant steps between bytes: zeros, repeated words and sample keys. */
function isGuessable(secret: Buffer): boolean {
  const steps = new Set<number>();
  for (let i = 1; i < secret.length; i++) steps.add(((secret[i] ?? 0) - (secret[i - 1] ?? 0)) & 0xff);
  return steps.size <= 2 || new Set(secret).size <= 8;
}

/** The keys that are derived from a company key, one for each purpose. */
export interface CompanyKey {
  readonly keyVersion: number;
  readonly valueKey: KeyObject;
  readonly fingerprintKey: KeyObject;
  /** For the MACs of heads, which say which version of a secret is current. */
  readonly headKey: KeyObject;
  /** For how many milliseconds it can still be used, of a key that another party may take back. Left out: no such end. */
  readonly leftMs?: () => number;
}

/** @param secret 32 random bytes; wiped here */
export function deriveCompanyKey(secret: Buffer, companyId: string, keyVersion: number): CompanyKey {
  try {
    return {
      keyVersion,
      valueKey: deriveKey(secret, ["value", companyId, String(keyVersion)]),
      fingerprintKey: deriveKey(secret, ["fingerprint", companyId, String(keyVersion)]),
      headKey: deriveKey(secret, ["head", companyId, String(keyVersion)]),
    };
  } finally {
    secret.fill(0);
  }
}

/**
 * Identifies a company key to those who have its bytes, without revealing any.
 *
 * @param secret 32 random bytes @returns 16 bytes
 */
export function companyKeyCheck(secret: Buffer, companyId: string, keyVersion: number): Buffer {
  return derive(secret, ["check", companyId, String(keyVersion)]).subarray(0, 16);
}

/** The key that encrypts mails while they wait to be sent. @param secret of sessions, 256 random bits or more as text */
export function deriveMailKey(secret: string): KeyObject {
  return deriveKey(Buffer.from(secret, "utf8"), ["mail"]);
}

/** Derives only the value key of a company key. @param secret wiped here */
export function deriveValueKey(secret: Buffer, companyId: string, keyVersion: number): KeyObject {
  try {
    return deriveKey(secret, ["value", companyId, String(keyVersion)]);
  } finally {
    secret.fill(0);
  }
}

/** The key that those of all webhook endpoints are derived from. */
export interface WebhookKey {
  readonly keyVersion: number;
  readonly root: KeyObject;
}

/** What signs the notifications of one endpoint. */
export interface EndpointKeys {
  /** Of HMAC-SHA256, 32 bytes. The endpoint's receiver has it, too. */
  readonly secret: Buffer;
  /** Ed25519. */
  readonly privateKey: KeyObject;
  /** Its public half, 32 bytes (RFC 8032). */
  readonly publicKey: Buffer;
}

/** Derives the keys of an endpoint (HKDF-SHA256), so that none is stored. @param number counts its secrets, from 1 */
export function deriveEndpointKeys({ root }: WebhookKey, endpointId: string, number: number): EndpointKeys {
  const of = (use: string) => derive(root, ["webhook", use, endpointId, String(number)]);
  const seed = of("ed25519");
  try {
    const privateKey = ed25519KeyOf(seed);
    return { secret: of("hmac-sha256"), privateKey, publicKey: ed25519PublicBytes(privateKey) };
  } finally {
    seed.fill(0);
  }
}

/** The PKCS #8 prefix of the 32 bytes of an Ed25519 private key (RFC 8410, 7). */
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

/** @param seed the 32 bytes of an Ed25519 private key */
export function ed25519KeyOf(seed: Buffer): KeyObject {
  const key = Buffer.concat([pkcs8Prefix, seed]);
  try {
    return createPrivateKey({ key, format: "der", type: "pkcs8" });
  } finally {
    key.fill(0);
  }
}

/** @param privateKey of Ed25519 @returns the 32 bytes of its public half (RFC 8032) */
export function ed25519PublicBytes(privateKey: KeyObject): Buffer {
  // An SPKI of Ed25519 ends with the 32 bytes of the key (RFC 8410, 4).
  return createPublicKey(privateKey).export({ type: "spki", format: "der" }).subarray(-32);
}

function deriveKey(secret: Buffer, purpose: readonly string[]): KeyObject {
  const bytes = derive(secret, purpose);
  try {
    return createSecretKey(bytes);
  } finally {
    bytes.fill(0);
  }
}

function derive(secret: Buffer | KeyObject, purpose: readonly string[]): Buffer {
  return Buffer.from(
    hkdfSync("sha256", secret, Buffer.alloc(0), encodeFields(["tenant-secrets/1", ...purpose]), 32),
  );
}

/**
 * A keyed hash of a value. Equal values of one company have equal fingerprints. Without the company's key, guesses of a
 * value cannot be checked against its fingerprint.
 */
export function fingerprint(key: CompanyKey, plaintext: Buffer): string {
  return mac(key, ["value", plaintext]);
}

/** The MAC of a write request. It tells a retry from another request with the same id. */
export function requestMac(key: CompanyKey, fields: readonly (string | Buffer)[]): string {
  return mac(key, ["request", ...fields]);
}

/** The MAC of the encoded fields, fed in pieces, because a joined copy of a value would stay in memory. */
function mac(key: CompanyKey, fields: readonly (string | Buffer)[]): string {
  const hmac = createHmac("sha256", key.fingerprintKey);
  for (const field of fields) {
    const bytes = typeof field === "string" ? Buffer.from(field, "utf8") : field;
    hmac.update(encodeLength(bytes)).update(bytes);
  }
  return toBase64url(hmac.digest());
}
