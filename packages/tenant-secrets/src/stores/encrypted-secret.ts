import { createSecretKey, randomBytes, type KeyObject } from "node:crypto";
import {
  type CompanyKey,
  decryptParts,
  parseValue,
  Plaintext,
  type EncryptedParts,
  encryptValue,
  type ValuePlace,
  sameBytes,
} from "@repo/envelope";

/** An encrypted value from a store. Nothing in it is readable before it is decrypted, so that it can be cached. */
export interface EncryptedSecret {
  readonly version: number;
  /** The memory that caching it takes, in bytes, approximately. */
  readonly sizeBytes: number;
  /** For how long it may be cached at most, where that is less than usual, in milliseconds. */
  readonly ttlMs?: number;
  /** When it expires, in milliseconds of Unix time. It is served all the same. */
  readonly expiresAtMs?: number | undefined;
  /** The company's home, where this is a copy that came from there. */
  readonly copiedFrom?: string | undefined;
  /** What a share of the uses gets in its place, while a rotation tries its next value. */
  readonly canary?: Canary | undefined;
  /** @returns a new plaintext at each call; the caller wipes it @throws {TenantSecretsError} INTEGRITY_FAILURE */
  decrypt(): Plaintext;
  /** As `decrypt`, as text. Its bytes are wiped. */
  decryptText(): string;
}

/** The pending version beside a current one. */
export interface Canary {
  readonly encrypted: EncryptedSecret;
  /** The share of the uses, 0 to 1. */
  readonly share: number;
  /** When it ends, by `performance.now()`. */
  readonly until: number;
}

/** A current version with what is tried beside it. Both are cached as one. */
export function withCanary(encrypted: EncryptedSecret, canary: Canary): EncryptedSecret {
  return { ...encrypted, canary, sizeBytes: encrypted.sizeBytes + canary.encrypted.sizeBytes };
}

/** What one use of a secret begins with. @param now by `performance.now()` */
export function drawn(encrypted: EncryptedSecret, now: number): EncryptedSecret {
  const { canary } = encrypted;
  return canary !== undefined && now < canary.until && Math.random() < canary.share
    ? canary.encrypted
    : encrypted;
}

/** Objects, buffers' headers and a place in a map, as a heap snapshot shows them. */
const overheadBytes = 700;

/** The key of a value. Where it can be used for some time only, so can what is encrypted under it. */
type ValueKey = Pick<CompanyKey, "valueKey" | "leftMs">;

/** Milliseconds before the end of its key's time that a cached value is read again. */
const marginMs = 500;

/** @throws {TenantSecretsError} INTEGRITY_FAILURE, KEY_DESTROYED */
export function encryptedSecret(key: ValueKey, place: ValuePlace, encrypted: string): EncryptedSecret {
  return secretOf(key, place.version, parseValue(place, encrypted));
}

/** Encrypts a value that its place stores readably, for as long as it is cached, under a key that ends with this process. */
export function encryptedHere(
  { companyId, secretKey, version }: Omit<ValuePlace, "companyKeyVersion">,
  plaintext: Plaintext,
): EncryptedSecret {
  const place = { companyId, secretKey, version, companyKeyVersion: 0 };
  const key = { valueKey: processKey() };
  return encryptedSecret(key, place, encryptValue(key.valueKey, place, plaintext.bytes));
}

/** Whether it is this value. */
export function isEncryptionOf(encrypted: EncryptedSecret, value: Plaintext): boolean {
  const plaintext = encrypted.decrypt();
  try {
    return sameBytes(value.bytes, plaintext.bytes);
  } finally {
    plaintext.wipe();
  }
}

/** As a buffer's own `fill`, which looks at its arguments in a dozen ways first; this is done at every read. */
function wipe(bytes: Uint8Array): void {
  Uint8Array.prototype.fill.call(bytes, 0);
}

function secretOf(key: ValueKey, version: number, parts: EncryptedParts): EncryptedSecret {
  return {
    version,
    ...(key.leftMs !== undefined && { ttlMs: Math.max(0, key.leftMs() - marginMs) }),
    sizeBytes: overheadBytes + parts.ciphertext.length + parts.context.length,
    decrypt: () => new Plaintext(decryptParts(key.valueKey, parts)),
    decryptText: () => {
      const bytes = decryptParts(key.valueKey, parts);
      const text = bytes.toString("utf8");
      wipe(bytes);
      return text;
    },
  };
}

let keyOfThisProcess: KeyObject | undefined;

function processKey(): KeyObject {
  return (keyOfThisProcess ??= createSecretKey(randomBytes(32)));
}
