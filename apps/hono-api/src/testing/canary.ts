import { randomBytes } from "node:crypto";

/** A unique text that leak tests search for in every encoding. */
export interface Canary {
  readonly text: string;
  /** Names of the encodings of it that occur in a text. */
  formsIn(haystack: string): string[];
}

/** @param beginning a prefix that makes it valid, such as `sk_test_` */
export function createCanary(beginning = ""): Canary {
  return canaryOf(`${beginning}Canary${randomBytes(12).toString("hex")}`);
}

/** @param text in ASCII */
export function canaryOf(text: string): Canary {
  const bytes = Buffer.from(text);
  const inHex = bytes.toString("hex");
  const forms: Readonly<Record<string, string>> = {
    plain: text,
    "lower case": text.toLowerCase(),
    "upper case": text.toUpperCase(),
    reversed: Buffer.from(bytes.toReversed()).toString(),
    hex: inHex,
    "hex in upper case": inHex.toUpperCase(),
    "UTF-16": Buffer.from(text, "utf16le").toString("latin1"),
    "percent-encoded": inHex.replaceAll(/../g, "%$&"),
    "escaped for JSON": inHex.replaceAll(/../g, "\\u00$&"),
    "as bytes": JSON.stringify([...bytes]).slice(1, -1),
    ...inBase64(bytes),
  };
  return {
    text,
    formsIn: (haystack) => Object.keys(forms).filter((name) => haystack.includes(forms[name] ?? text)),
  };
}

/** The part of its base64 inside a longer text that depends on its offset alone, not on its neighbours. */
function inBase64(bytes: Buffer): Record<string, string> {
  const forms: Record<string, string> = {};
  for (const before of [0, 1, 2]) {
    const whole = Buffer.concat([Buffer.alloc(before), bytes])
      .toString("base64")
      .replaceAll("=", "");
    const sure = whole.slice(before === 0 ? 0 : 4, -4);
    forms[`base64 (${before})`] = sure;
    forms[`base64url (${before})`] = sure.replaceAll("+", "-").replaceAll("/", "_");
  }
  return forms;
}
