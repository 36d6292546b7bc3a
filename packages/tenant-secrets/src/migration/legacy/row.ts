import type { KeyObject } from "node:crypto";
import {
  type Catalog,
  checkValueText,
  lastFourOf,
  maxValueBytes,
  SecretKey,
  TenantSecretsError,
} from "@repo/catalog";
import { decryptLegacyValue, Plaintext } from "@repo/envelope";

/** One row of the old table. */
export interface LegacyRow {
  /** The company's subdomain, or its id here. */
  readonly company: string;
  /** The company that the row itself contains, if the source has both. It takes precedence over the name. */
  readonly companyId?: string | undefined;
  readonly secretKey: string;
  /** `ivHex:ciphertextHex:tagHex`; undefined if the source could not be read, and the other fields tell where. */
  readonly encrypted: string | undefined;
}

export interface LegacyValue {
  readonly plaintext: Plaintext;
  readonly lastFour: string | undefined;
}

/** The length of the encrypted form of the longest value: an IV and a tag of 24 and 32 digits, two colons. */
const maxEncryptedLength = 2 * maxValueBytes + 58;

/**
 * Maps a row's key to a secret key: unchanged, else in upper case, else with the prefix `CUSTOM_`.
 *
 * @param customUnknown whether a name that the catalogue does not list may become a `CUSTOM_…`
 * @returns undefined if none is valid
 */
export function secretKeyOf(catalog: Catalog, name: string, customUnknown: boolean): string | undefined {
  // Checked before upper-casing, which maps some non-ASCII letters to ASCII.
  if (!SecretKey.safeParse(name).success) return undefined;
  const capitals = name.toUpperCase();
  const candidates = [name, capitals, ...(customUnknown ? [`CUSTOM_${capitals}`] : [])];
  return candidates.find((candidate) => catalog.find(candidate) !== undefined);
}

/**
 * Decrypts a row's value and validates it as a write does.
 *
 * @returns the value, which the caller zeroes, or the reason why there is none
 */
export function openLegacyRow(
  rawKey: KeyObject,
  catalog: Catalog,
  { secretKey, encrypted }: { readonly secretKey: string; readonly encrypted: string },
): LegacyValue | "MALFORMED" | "NOT_OPENED" | "INVALID_VALUE" {
  if (encrypted.length > maxEncryptedLength) return "INVALID_VALUE";
  let bytes: Buffer;
  try {
    bytes = decryptLegacyValue(rawKey, encrypted);
  } catch (error) {
    return error instanceof TenantSecretsError && error.code === "INVALID_INPUT" ? "MALFORMED" : "NOT_OPENED";
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    checkValueText(catalog, secretKey, text);
    return { plaintext: new Plaintext(bytes), lastFour: lastFourOf(catalog.get(secretKey), text) };
  } catch {
    bytes.fill(0);
    return "INVALID_VALUE";
  }
}
