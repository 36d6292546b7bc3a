import type { Mistake } from "./entry.ts";

// What can be said of a value's text without its entry. Pages load this file, so it imports no library.

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

/** @returns the rule that the text breaks as a stored value or as a string in one, as the end of "A value …" */
export function brokenString(text: string): string | undefined {
  return brokenForm(text) ?? standIns.find(({ pattern }) => pattern.test(text))?.rule;
}

/** @returns the rule that the text breaks as a stored value, whatever its entry says, as the end of "A value …" */
export function brokenText(text: string): string | undefined {
  if (text === "") return "is not empty; to take a secret away, remove it";
  return brokenString(text) ?? brokenSize(text);
}

/** @returns what happened to a credential that its entry refuses, as the end of "A value …" */
export function damageOf(text: string): string | undefined {
  return damage.find(({ pattern }) => pattern.test(text))?.rule;
}

/** @returns the rule that its size breaks. The text is well-formed. */
export function brokenSize(text: string): string | undefined {
  const bytes = utf8Bytes(text);
  return bytes > maxValueBytes ? `is at most ${maxValueBytes} bytes long; this one has ${bytes}` : undefined;
}

/** @returns the rule that the text breaks as text, whatever it is of */
export function brokenForm(text: string): string | undefined {
  if (!text.isWellFormed()) return "is well-formed Unicode; this one has a lone surrogate";
  return text.includes("\0") ? "has no NUL character" : undefined;
}

/** Counted, not encoded: an encoded copy would stay behind in memory. The text is well-formed. */
export function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Each half of a surrogate pair stands for two of the four bytes of its character.
    bytes += unit < 0x80 ? 1 : unit < 0x8_00 || (unit >= 0xd8_00 && unit <= 0xdf_ff) ? 2 : 3;
  }
  return bytes;
}
