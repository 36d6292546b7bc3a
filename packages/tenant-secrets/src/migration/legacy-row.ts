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
  /** What the row itself held as its company, where the source has that beside the name: it goes before the name. */
  readonly companyId?: string | undefined;
  readonly secretKey: string;
  /** `ivHex:ciphertextHex:tagHex`; undefined where the source could not be read, and the rest says where. */
  readonly encrypted: string | undefined;
}

export interface LegacyValue {
  readonly plaintext: Plaintext;
  readonly lastFour: string | undefined;
}

/** The longest text that a value of the greatest length has: an IV and a tag of 24 and 32 digits, two colons. */
const maxEncryptedLength = 2 * maxValueBytes + 58;

/**
 * The secret key that a row's own becomes: as it is, else in capitals, else with `CUSTOM_` before it.
 *
 * @param customUnknown whether a name that the catalogue does not list may become a `CUSTOM_…`
 * @returns undefined where there is none
 */
export function secretKeyOf(catalog: Catalog, name: string, customUnknown: boolean): string | undefined {
  // Before capitals are made: those of some letters outside ASCII are within it.
  if (!SecretKey.safeParse(name).success) return undefined;
  const capitals = name.toUpperCase();
  const candidates = [name, capitals, ...(customUnknown ? [`CUSTOM_${capitals}`] : [])];
  return candidates.find((candidate) => catalog.find(candidate) !== undefined);
}

/**
 * Opens a row's value and checks it as a write is checked.
 *
 * @returns the value, which the caller wipes, or why there is none
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
