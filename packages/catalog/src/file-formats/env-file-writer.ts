import { TenantSecretsError } from "../vocabulary/errors.ts";
import { SecretKey } from "../vocabulary/names.ts";
import { unusable, type FileEntry } from "./file-text.ts";

/**
 * A `.env` file that `parseEnvFile` reads back to the byte. dotenv, 16 and later, reads the same values, but for
 * the two escapes that it does not have, `\\` and `\"`: they stand only where a value has a carriage return or quotes of
 * more than one kind, or ends with a backslash.
 *
 * @throws {TenantSecretsError} INVALID_VALUE for a name or a value that such a file cannot hold
 */
export function writeEnvFile(entries: readonly Pick<FileEntry, "secretKey" | "text">[]): string {
  return entries.map(({ secretKey, text }) => `${checkedName(secretKey, text)}=${quoted(text)}\n`).join("");
}

function checkedName(secretKey: string, text: string): string {
  if (!SecretKey.safeParse(secretKey).success) {
    throw new TenantSecretsError("INVALID_VALUE", "A .env file cannot hold a name that is no secret key.");
  }
  if (unusable.test(text)) {
    throw new TenantSecretsError(
      "INVALID_VALUE",
      `A .env file cannot hold the value of ${secretKey}: it has a NUL or half of a character.`,
    );
  }
  return secretKey;
}

function quoted(text: string): string {
  if (/^[\w.:/@%+,=-]+$/.test(text)) return text;
  // dotenv takes a backslash before a closing quote for an escape, and may look for the quote in the lines below.
  const literal = !text.includes("\r") && !text.endsWith("\\");
  if (literal && !text.includes("'")) return `'${text}'`;
  if (literal && !text.includes("`")) return `\`${text}\``;
  if (text === text.trim() && !/^["'`]|[#\r\n\u2028\u2029]/.test(text)) return text;
  return `"${escape(text)}"`;
}

/** A backslash is doubled only where it would be read as an escape: dotenv takes it as it is everywhere else. */
function escape(text: string): string {
  return text
    .replace(/\\(?=[nr"\\\n\r]|$)/g, "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r");
}
