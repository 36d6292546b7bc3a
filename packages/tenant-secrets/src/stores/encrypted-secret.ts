import { createSecretKey, randomBytes, timingSafeEqual, type KeyObject } from "node:crypto";
import {
  openParts,
  parseValue,
  Plaintext,
  type SealedParts,
  sealValue,
  type ValuePlace,
} from "@repo/envelope";

/** An encrypted value from a store. Nothing in it is readable before it is decrypted, so that it can be cached. */
export interface SealedSecret {
  readonly version: number;
  /** What it takes to keep it, about. */
  readonly sizeBytes: number;
  /** For how long it may be cached at most, where that is less than usual, in milliseconds. */
  readonly keepMs?: number;
  /** When it expires, in milliseconds of Unix time. It is served all the same. */
  readonly expiresAtMs?: number | undefined;
  /** Decrypts it. @returns a new plaintext at each call; the caller wipes it @throws {TenantSecretsError} INTEGRITY_FAILURE */
  open(): Plaintext;
  /** As `open`, as text. Its bytes are wiped. */
  openText(): string;
}

/** Objects, buffers' headers and a place in a map, as a heap snapshot shows them. */
const overheadBytes = 700;

/** @throws {TenantSecretsError} INTEGRITY_FAILURE, KEY_DESTROYED */
export function sealedSecret(key: KeyObject, place: ValuePlace, sealed: string): SealedSecret {
  return secretOf(key, place.version, parseValue(place, sealed));
}

/** What lies readable elsewhere is sealed as long as it is here, under a key that ends with this process. */
export function sealedHere(
  { companyId, secretKey, version }: Omit<ValuePlace, "companyKeyNo">,
  plaintext: Plaintext,
): SealedSecret {
  const place = { companyId, secretKey, version, companyKeyNo: 0 };
  return sealedSecret(processKey(), place, sealValue(processKey(), place, plaintext.bytes));
}

/** Whether it is this value. */
export function isSealedOf(sealed: SealedSecret, value: Plaintext): boolean {
  const plaintext = sealed.open();
  try {
    return value.bytes.length === plaintext.bytes.length && timingSafeEqual(value.bytes, plaintext.bytes);
  } finally {
    plaintext.wipe();
  }
}

/** As a buffer's own `fill`, which looks at its arguments in a dozen ways first; this is done at every read. */
function wipe(bytes: Uint8Array): void {
  Uint8Array.prototype.fill.call(bytes, 0);
}

function secretOf(key: KeyObject, version: number, parts: SealedParts): SealedSecret {
  return {
    version,
    sizeBytes: overheadBytes + parts.ciphertext.length + parts.context.length,
    open: () => new Plaintext(openParts(key, parts)),
    openText: () => {
      const bytes = openParts(key, parts);
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
