import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from "node:crypto";
import { keyDestroyed, TenantSecretsError } from "@repo/catalog";
import { decodeFields, encodeFields, fromBase64url, toBase64url } from "./encoding.ts";

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
  const key = decryptParts(wrappingKey, parseParts(keyContext(place), ...wrapParts("tk1", place, wrapped)));
  if (key.length !== keyBytes) {
    key.fill(0);
    throw integrityFailure();
  }
  return key;
}

/** A key that another party's key has encrypted, with the name of that key. */
export interface ExternalWrap {
  /** Which external key encrypted it. */
  readonly externalKey: string;
  /** What that key made of the 32 bytes: opaque here. */
  readonly ciphertext: Buffer;
  /** Of {@link companyKeyCheck}: what the external key decrypts is compared with it. */
  readonly check: Buffer;
}

/** Bytes of an external key's ciphertext, at most: those of AWS KMS have 6,144 (CiphertextBlob). */
const maxExternalBytes = 6144;
const maxExternalKeyBytes = 2048;
const checkBytes = 16;

/**
 * Wraps what an external key has encrypted as `tx1.<region>.<master key version>.<iv>.<ciphertext and tag>`. The name of the
 * external key is inside, so that neither it nor the format can be exchanged without the wrapping key.
 *
 * @throws {RangeError} for a name of more than 2,048 bytes, a ciphertext of more than 6,144, and where one is empty
 */
export function wrapExternal(wrappingKey: KeyObject, place: KeyPlace, wrap: ExternalWrap): string {
  const { externalKey, ciphertext, check } = wrap;
  const nameBytes = Buffer.byteLength(externalKey);
  if (nameBytes === 0 || nameBytes > maxExternalKeyBytes)
    throw new RangeError(`The name of an external key has 1 to ${maxExternalKeyBytes} bytes.`);
  if (ciphertext.length === 0 || ciphertext.length > maxExternalBytes)
    throw new RangeError(`A ciphertext of an external key has 1 to ${maxExternalBytes} bytes.`);
  if (check.length !== checkBytes) throw new RangeError(`A check value has ${checkBytes} bytes.`);
  const content = encodeFields([externalKey, ciphertext, check]);
  return `tx1.${place.region}.${place.masterKeyVersion}.${encrypt(wrappingKey, externalContext(place), content)}`;
}

/** Whether a wrap is of the format of {@link wrapExternal}. Opening it proves that. */
export function isExternalWrap(wrapped: string): boolean {
  return wrapped.startsWith("tx1.");
}

/** @throws {TenantSecretsError} INTEGRITY_FAILURE, with one message for every cause */
export function unwrapExternal(wrappingKey: KeyObject, place: KeyPlace, wrapped: string): ExternalWrap {
  const parts = wrapParts("tx1", place, wrapped);
  const content = decryptParts(wrappingKey, parseParts(externalContext(place), ...parts));
  const [externalKey, ciphertext, check, ...rest] = decodeFields(content) ?? [];
  if (externalKey === undefined || ciphertext === undefined || check === undefined || rest.length > 0)
    throw integrityFailure();
  return { externalKey: externalKey.toString("utf8"), ciphertext, check };
}

/** A master key's wrapping key, and the place of what it wraps. */
interface Wrapping {
  readonly wrappingKey: KeyObject;
  readonly place: KeyPlace;
}

/**
 * Wraps the content of a wrap under another wrapping key, in its own format, and compares what that opens to. What an external key
 * has encrypted stays encrypted: that key is not needed.
 *
 * @throws {TenantSecretsError} INTEGRITY_FAILURE for a wrap that does not open
 */
export function rewrapKey(from: Wrapping, to: Wrapping, wrapped: string): string {
  if (isExternalWrap(wrapped)) {
    const content = unwrapExternal(from.wrappingKey, from.place, wrapped);
    const again = wrapExternal(to.wrappingKey, to.place, content);
    const opened = unwrapExternal(to.wrappingKey, to.place, again);
    const isSame =
      opened.externalKey === content.externalKey &&
      opened.ciphertext.equals(content.ciphertext) &&
      opened.check.equals(content.check);
    if (!isSame) throw integrityFailure();
    return again;
  }
  const secret = unwrapKey(from.wrappingKey, from.place, wrapped);
  try {
    const again = wrapKey(to.wrappingKey, to.place, secret);
    const opened = unwrapKey(to.wrappingKey, to.place, again);
    const same = opened.equals(secret);
    opened.fill(0);
    if (!same) throw integrityFailure();
    return again;
  } finally {
    secret.fill(0);
  }
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
  return wrapContext("tk1", place);
}

function externalContext(place: KeyPlace): Buffer {
  return wrapContext("tx1", place);
}

function wrapContext(format: "tk1" | "tx1", place: KeyPlace): Buffer {
  return encodeFields([
    format,
    place.kind,
    place.owner,
    String(place.keyVersion),
    place.region,
    String(place.masterKeyVersion),
  ]);
}

/** The IV and the body of a wrap whose format and master key are those of its place. */
function wrapParts(
  format: "tk1" | "tx1",
  place: KeyPlace,
  wrapped: string,
): [string | undefined, string | undefined] {
  const [found, region, version, iv, body, ...rest] = wrapped.split(".");
  const expected = found === format && region === place.region && version === String(place.masterKeyVersion);
  if (!expected || rest.length > 0) throw integrityFailure();
  return [iv, body];
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
