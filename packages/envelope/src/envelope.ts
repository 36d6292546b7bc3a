import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from "node:crypto";
import { keyDestroyed, TenantSecretsError } from "@repo/catalog";
import { encodeFields, fromBase64url, toBase64url } from "./encoding.ts";

/** The row of an encrypted value. Every field is authenticated, and comes from the request or the row, not from the text. */
export interface ValuePlace {
  readonly companyId: string;
  readonly secretKey: string;
  readonly version: number;
  readonly companyKeyVersion: number;
}

/** The row of a wrapped key. `owner` is a company's id, or the purpose of an audit key. */
export interface KeyPlace {
  readonly kind: "company-key" | "audit-key";
  readonly owner: string;
  readonly keyVersion: number;
  readonly region: string;
  readonly masterKeyVersion: number;
}

const algorithm = "aes-256-gcm";
/** 96 random bits, which NIST SP 800-38D, 8.2.2 allows for 2^32 encryptions under one key. */
const ivBytes = 12;
/** The full tag. Node accepts tags down to 4 bytes unless it is told the length. */
const tagBytes = 16;
const withFullTag = { authTagLength: tagBytes } as const;
const keyBytes = 32;

/**
 * Encrypts a value as `ts1.<company key version>.<iv>.<ciphertext and tag>`, the last two in base64url. docs/envelope.md.
 *
 * @param key the company's value key, 256 bits
 * @param plaintext at least one byte
 */
export function encryptValue(key: KeyObject, place: ValuePlace, plaintext: Buffer): string {
  return `ts1.${place.companyKeyVersion}.${encrypt(key, valueContext(place), plaintext)}`;
}

/** Replaces an encrypted value when its company is shredded. */
export const destroyedValue = "destroyed";

/** A parsed encrypted value. A cache decrypts it many times and parses it once. */
export interface EncryptedParts {
  readonly iv: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
  /** The additional authenticated data. */
  readonly context: Buffer;
}

/**
 * Decrypts what {@link encryptValue} returned for the same place.
 *
 * @returns the plaintext; the caller wipes it
 * @throws {TenantSecretsError} INTEGRITY_FAILURE, with one message for every cause; KEY_DESTROYED for a shredded value
 */
export function decryptValue(key: KeyObject, place: ValuePlace, encrypted: string): Buffer {
  return decryptParts(key, parseValue(place, encrypted));
}

/** Parses for {@link decryptParts}, without a key. @throws as `decryptValue` */
export function parseValue(place: ValuePlace, encrypted: string): EncryptedParts {
  if (encrypted === destroyedValue) throw keyDestroyed();
  const [format, keyVersion, iv, body, ...rest] = encrypted.split(".");
  if (format !== "ts1" || keyVersion !== String(place.companyKeyVersion) || rest.length > 0)
    throw integrityFailure();
  return parseParts(valueContext(place), iv, body);
}

/** Decrypts what {@link parseValue} returned. @returns the plaintext; the caller wipes it @throws as `decryptValue` */
export function decryptParts(key: KeyObject, { iv, ciphertext, tag, context }: EncryptedParts): Buffer {
  const decipher = createDecipheriv(algorithm, key, iv, withFullTag).setAAD(context).setAuthTag(tag);
  const plaintext = decipher.update(ciphertext);
  try {
    decipher.final();
    return plaintext;
  } catch {
    plaintext.fill(0);
    throw integrityFailure();
  }
}

/** Wraps a key of 32 bytes as `tk1.<region>.<master key version>.<iv>.<ciphertext and tag>`. */
export function wrapKey(wrappingKey: KeyObject, place: KeyPlace, key: Buffer): string {
  if (key.length !== keyBytes) throw new RangeError(`A key to wrap has ${keyBytes} bytes.`);
  return `tk1.${place.region}.${place.masterKeyVersion}.${encrypt(wrappingKey, keyContext(place), key)}`;
}

/**
 * @returns the 32 bytes; the caller wipes them
 * @throws {TenantSecretsError} INTEGRITY_FAILURE, with one message for every cause
 */
export function unwrapKey(wrappingKey: KeyObject, place: KeyPlace, wrapped: string): Buffer {
  const [format, region, version, iv, body, ...rest] = wrapped.split(".");
  const expected = format === "tk1" && region === place.region && version === String(place.masterKeyVersion);
  if (!expected || rest.length > 0) throw integrityFailure();
  const key = decryptParts(wrappingKey, parseParts(keyContext(place), iv, body));
  if (key.length !== keyBytes) {
    key.fill(0);
    throw integrityFailure();
  }
  return key;
}

/** Encrypts a mail that waits to be sent, as `tm1.<iv>.<ciphertext and tag>`. @param key of {@link deriveMailKey} */
export function encryptMail(key: KeyObject, plaintext: Buffer): string {
  return `tm1.${encrypt(key, encodeFields(["tm1"]), plaintext)}`;
}

/** @throws {TenantSecretsError} INTEGRITY_FAILURE, for a mail under another key as well */
export function decryptMail(key: KeyObject, encrypted: string): Buffer {
  const [format, iv, body, ...rest] = encrypted.split(".");
  if (format !== "tm1" || rest.length > 0) throw integrityFailure();
  return decryptParts(key, parseParts(encodeFields(["tm1"]), iv, body));
}

function valueContext(place: ValuePlace): Buffer {
  return encodeFields([
    "ts1",
    place.companyId,
    place.secretKey,
    String(place.version),
    String(place.companyKeyVersion),
  ]);
}

function keyContext(place: KeyPlace): Buffer {
  return encodeFields([
    "tk1",
    place.kind,
    place.owner,
    String(place.keyVersion),
    place.region,
    String(place.masterKeyVersion),
  ]);
}

function encrypt(key: KeyObject, context: Buffer, plaintext: Buffer): string {
  // An empty value could never be read again: decryption refuses it.
  if (plaintext.length === 0) throw new RangeError("There is nothing to encrypt.");
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv(algorithm, key, iv, withFullTag).setAAD(context);
  const body = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return `${toBase64url(iv)}.${toBase64url(body)}`;
}

function parseParts(
  context: Buffer,
  ivText: string | undefined,
  bodyText: string | undefined,
): EncryptedParts {
  const iv = fromBase64url(ivText ?? "");
  const body = fromBase64url(bodyText ?? "");
  if (iv?.length !== ivBytes || body === undefined || body.length <= tagBytes) throw integrityFailure();
  return { iv, ciphertext: body.subarray(0, -tagBytes), tag: body.subarray(-tagBytes), context };
}

/** One error for every cause: a message that told a moved text from a changed one would help only an attacker. */
export function integrityFailure(): TenantSecretsError {
  return new TenantSecretsError(
    "INTEGRITY_FAILURE",
    "The stored value does not belong here or was changed; it was not opened. Tell an operator: the audit log has the event.",
  );
}
