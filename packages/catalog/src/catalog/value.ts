import { TenantSecretsError } from "../vocabulary/errors.ts";
import type { Catalog, SecretKeyOf, ValueOf } from "./catalog.ts";
import type { CatalogEntry } from "./entry.ts";
import { parseJson } from "../vocabulary/json.ts";
import { brokenForm, brokenSize, brokenString, brokenText, damageOf } from "./value-text.ts";

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
  const rule = brokenText(text);
  if (rule !== undefined) throw invalidValue(secretKey, rule);
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

/** JSON hides all of these from a check of its text: as an escape, or between quotes. */
function checkStrings(secretKey: string, value: unknown): void {
  if (typeof value === "string") checkString(secretKey, value);
  else if (typeof value === "object" && value !== null) {
    for (const part of Object.values(value)) checkStrings(secretKey, part);
  }
}

function checkString(secretKey: string, text: string): void {
  const rule = brokenString(text);
  if (rule !== undefined) throw invalidValue(secretKey, rule);
}

/** @param value what the entry's schema refused */
function brokenRule(entry: CatalogEntry, value: unknown): string {
  if (typeof value !== "string") return entry.rule;
  const damage = entry.format === "text" ? damageOf(value) : undefined;
  return damage ?? entry.mistakes?.find(({ pattern }) => pattern.test(value))?.rule ?? entry.rule;
}

function invalidValue(secretKey: string, rule: string): TenantSecretsError {
  return new TenantSecretsError("INVALID_VALUE", `The value of ${secretKey} was refused: a value ${rule}.`);
}

/** The last four characters, where the entry allows it and the value is long enough to lose nothing by it. */
export function lastFourOf(entry: CatalogEntry, text: string): string | undefined {
  return entry.showsLastFour && text.length >= 20 ? Array.from(text.slice(-8)).slice(-4).join("") : undefined;
}
