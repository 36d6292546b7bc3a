import { TenantSecretsError } from "../vocabulary/errors.ts";
import type { Catalog, SecretKeyOf, ValueOf } from "./catalog.ts";
import type { CatalogEntry } from "./entry.ts";

/** The largest value, in bytes of UTF-8. */
export const maxValueBytes = 65_536;

/**
 * What screens, logs and Infisical show in place of a value, its hint behind it or not: somebody who sends one back has
 * lost the value.
 */
const masks = /^(?:[•*●]+|(?:…|[•*●]{4,}).{1,4}|\[redacted\]|<redacted>|<hidden-by-infisical>)$/iu;

/**
 * The text to keep for a value.
 *
 * @throws {TenantSecretsError} UNKNOWN_SECRET_KEY, or INVALID_VALUE with the rule and never the value
 */
export function encodeValue<C extends Catalog, K extends SecretKeyOf<C>>(
  catalog: C,
  secretKey: K,
  value: ValueOf<C, K>,
): string {
  const entry = catalog.get(secretKey);
  const parsed = entry.schema.safeParse(value);
  if (!parsed.success) throw invalidValue(secretKey, entry.rule);
  const text = entry.format === "json" ? JSON.stringify(parsed.data) : String(parsed.data);
  checkText(secretKey, text);
  checkStrings(secretKey, parsed.data);
  return text;
}

/**
 * Checks text that is about to be kept: 1 to 65,536 bytes of well-formed UTF-8 without NUL, no mask (in an object, no
 * string is one of these either), and what the catalogue asks for.
 *
 * @throws {TenantSecretsError} UNKNOWN_SECRET_KEY, or INVALID_VALUE with the rule and never the value
 */
export function checkValueText(catalog: Catalog, secretKey: string, text: string): void {
  const entry = catalog.get(secretKey);
  checkText(secretKey, text);
  checkStrings(secretKey, parseText(entry, secretKey, text));
}

/**
 * The value that a kept text stands for. A string is handed out as it is, though its entry would refuse it
 * today: withholding what is there helps nobody. An object has to have the entry's form.
 *
 * @throws {TenantSecretsError} UNKNOWN_SECRET_KEY, or INVALID_VALUE where the text is not what the type promises
 */
export function decodeValue<C extends Catalog, K extends SecretKeyOf<C>>(
  catalog: C,
  secretKey: K,
  text: string,
): ValueOf<C, K> {
  const entry = catalog.get(secretKey);
  return asValueOf(entry.format === "text" ? text : parseText(entry, secretKey, text));
}

/** ValueOf is inferred from the very schema that `parseText` applied; text entries have a schema of string. */
function asValueOf<C extends Catalog, K extends SecretKeyOf<C>>(parsed: unknown): ValueOf<C, K> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return parsed as ValueOf<C, K>;
}

function parseText(entry: CatalogEntry, secretKey: string, text: string): unknown {
  const parsed = entry.schema.safeParse(entry.format === "json" ? parseJson(text) : text);
  if (!parsed.success) throw invalidValue(secretKey, entry.rule);
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function checkText(secretKey: string, text: string): void {
  if (text === "") throw invalidValue(secretKey, "is not empty; to take a secret away, remove it");
  checkString(secretKey, text);
  const bytes = utf8Bytes(text);
  if (bytes > maxValueBytes)
    throw invalidValue(secretKey, `is at most ${maxValueBytes} bytes long; this one has ${bytes}`);
}

/** Counted, not encoded: an encoded copy would stay behind in memory. The text is well-formed. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Each half of a surrogate pair stands for two of the four bytes of its character.
    bytes += unit < 0x80 ? 1 : unit < 0x8_00 || (unit >= 0xd8_00 && unit <= 0xdf_ff) ? 2 : 3;
  }
  return bytes;
}

/** JSON hides all of these from a check of its text: as an escape, or between quotes. */
function checkStrings(secretKey: string, value: unknown): void {
  if (typeof value === "string") checkString(secretKey, value);
  else if (typeof value === "object" && value !== null) {
    for (const part of Object.values(value)) checkStrings(secretKey, part);
  }
}

function checkString(secretKey: string, text: string): void {
  if (!text.isWellFormed())
    throw invalidValue(secretKey, "is well-formed Unicode; this one has a lone surrogate");
  if (text.includes("\0")) throw invalidValue(secretKey, "has no NUL character");
  if (masks.test(text)) throw invalidValue(secretKey, "is not the mask that is shown in place of one");
}

function invalidValue(secretKey: string, rule: string): TenantSecretsError {
  return new TenantSecretsError("INVALID_VALUE", `The value of ${secretKey} was refused: a value ${rule}.`);
}

/** The last four characters, where the entry allows it and the value is long enough to lose nothing by it. */
export function hintOf(entry: CatalogEntry, text: string): string | undefined {
  return entry.hint && text.length >= 20 ? Array.from(text.slice(-8)).slice(-4).join("") : undefined;
}
