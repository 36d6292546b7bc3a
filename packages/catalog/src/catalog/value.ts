import { TenantSecretsError } from "../vocabulary/errors.ts";
import type { Catalog, SecretKeyOf, ValueOf } from "./catalog.ts";
import type { CatalogEntry, Mistake } from "./entry.ts";
import { parseJson } from "../vocabulary/json.ts";

/** The largest value, in bytes of UTF-8. */
export const maxValueBytes = 65_536;

/**
 * What screens, logs and Infisical show in place of a value, with or without its last characters: a client that sends one back has
 * lost the value.
 */
const masks = /^(?:[•*●]+|(?:…|[•*●]{4,}).{1,4}|\[redacted\]|<redacted>|<hidden-by-infisical>)$/iu;

/** What is never a credential, whatever the entry allows: what programs and other tools leave in the place of one. */
const standIns: readonly Mistake[] = [
  {
    pattern: /^(?:undefined|NaN|\[object [A-Za-z]+\])$/,
    rule: "is not what a program prints where it has no value",
  },
  { pattern: masks, rule: "is not the mask that is shown in place of one" },
  { pattern: /^encrypted:[\w+/=-]+$/, rule: "is not encrypted by dotenvx: decrypt it first (dotenvx get)" },
  { pattern: /^ENC\[/, rule: "is not encrypted by sops: decrypt it first (sops decrypt)" },
  {
    pattern: /^op:\/\//,
    rule: "is not a reference to 1Password: put the value in its place first (op inject, op read)",
  },
  { pattern: /^ts1\.\d+\.[\w-]+\.[\w-]+$/, rule: "is not a sealed value out of this product's database" },
  {
    pattern: /^ts[ko]_[0-9a-f]{16}_/,
    rule: "is not a credential of this product: those are never kept as secrets of a company",
  },
];

/** What a credential picks up on the way to us. Said where the entry refuses the text. */
const damage: readonly Mistake[] = [
  { pattern: /[\u200b-\u200f\u2028-\u202e\u2060\ufeff\u00ad]/, rule: "has no invisible characters in it" },
  { pattern: /^\s|\s$/, rule: "has no white space or line's end around it" },
  { pattern: /^(["'`]).*\1$/s, rule: "has no quotes around it" },
  { pattern: /^Bearer /i, rule: "is the credential alone, without Bearer in front" },
  { pattern: /^[A-Z][A-Z0-9_]*=[^=]/, rule: "is the value alone, without its name and = in front" },
];

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
  if (!parsed.success) throw invalidValue(secretKey, brokenRule(entry, value));
  const text = entry.format === "json" ? JSON.stringify(parsed.data) : String(parsed.data);
  checkText(secretKey, text);
  checkStrings(secretKey, parsed.data);
  return text;
}

/**
 * Checks text that is about to be stored: 1 to 65,536 bytes of well-formed UTF-8 without NUL, no mask, reference or ciphertext
 * in the place of a value (in an object, no string is one of these either), and what the catalogue asks for.
 *
 * @throws {TenantSecretsError} UNKNOWN_SECRET_KEY, or INVALID_VALUE with the rule and never the value
 */
export function checkValueText(catalog: Catalog, secretKey: string, text: string): void {
  const entry = catalog.get(secretKey);
  checkText(secretKey, text);
  checkStrings(secretKey, parseText(entry, secretKey, text));
}

/**
 * The value that a stored text stands for. A string is returned as it is, even where its entry would refuse it
 * today, because a rule that changed must not cut a product off. An object has to have the entry's form.
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
  if (!parsed.success) throw invalidValue(secretKey, brokenRule(entry, text));
  return parsed.data;
}

function checkText(secretKey: string, text: string): void {
  if (text === "") throw invalidValue(secretKey, "is not empty; to take a secret away, remove it");
  checkString(secretKey, text);
  checkSize(secretKey, text);
}

/**
 * Checks text that was found in Infisical, where anything can have been put: for what no value can be, whatever it is of. A mask
 * or another stand-in is handed out as it is.
 *
 * @throws {TenantSecretsError} INVALID_VALUE with the secret key and the rule, never the value
 */
export function checkFoundText(secretKey: string, text: string): void {
  const refused = (rule: string) =>
    new TenantSecretsError(
      "INVALID_VALUE",
      `What Infisical has as ${secretKey} is refused: a value ${rule}. Write another one, or remove it.`,
    );
  if (text === "") throw refused("is not empty");
  const rule = brokenForm(text) ?? brokenSize(text);
  if (rule !== undefined) throw refused(rule);
}

function checkSize(secretKey: string, text: string): void {
  const rule = brokenSize(text);
  if (rule !== undefined) throw invalidValue(secretKey, rule);
}

function brokenSize(text: string): string | undefined {
  const bytes = utf8Bytes(text);
  return bytes > maxValueBytes ? `is at most ${maxValueBytes} bytes long; this one has ${bytes}` : undefined;
}

function brokenForm(text: string): string | undefined {
  if (!text.isWellFormed()) return "is well-formed Unicode; this one has a lone surrogate";
  return text.includes("\0") ? "has no NUL character" : undefined;
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
  const form = brokenForm(text);
  if (form !== undefined) throw invalidValue(secretKey, form);
  const standIn = standIns.find(({ pattern }) => pattern.test(text));
  if (standIn !== undefined) throw invalidValue(secretKey, standIn.rule);
}

/** @param value what the entry's schema refused */
function brokenRule(entry: CatalogEntry, value: unknown): string {
  if (typeof value !== "string") return entry.rule;
  const own = entry.format === "text" ? [...damage, ...(entry.mistakes ?? [])] : (entry.mistakes ?? []);
  return own.find(({ pattern }) => pattern.test(value))?.rule ?? entry.rule;
}

function invalidValue(secretKey: string, rule: string): TenantSecretsError {
  return new TenantSecretsError("INVALID_VALUE", `The value of ${secretKey} was refused: a value ${rule}.`);
}

/** The last four characters, where the entry allows it and the value is long enough to lose nothing by it. */
export function lastFourOf(entry: CatalogEntry, text: string): string | undefined {
  return entry.showsLastFour && text.length >= 20 ? Array.from(text.slice(-8)).slice(-4).join("") : undefined;
}
