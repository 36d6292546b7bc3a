import { dictionary } from "@zxcvbn-ts/language-common";
import { TenantSecretsError } from "@repo/catalog";
import { normalized } from "./password-hash.ts";

const common: ReadonlySet<string> = new Set(dictionary["passwords-common"]);
const shortest = 12;
const longest = 256;

/**
 * The rules for a new password: its length, and that it cannot be guessed from a list. Nothing about its characters (NIST SP
 * 800-63B, 3.1.1.2).
 *
 * @throws {TenantSecretsError} INVALID_INPUT, which quotes nothing of it
 */
export function requireStrongPassword(password: string, email: string): void {
  const text = normalized(password);
  // In code points, as NIST SP 800-63B counts them.
  const length = Array.from(text).length;
  if (length < shortest || length > longest)
    throw refused(`it has ${shortest} to ${longest} characters, and all characters are allowed`);
  const lower = text.toLowerCase();
  if (common.has(lower) || common.has(repeatedUnit(lower)) || new Set(lower).size < 4)
    throw refused("it is on a list of common ones. Take another, such as four random words");
  if (lower.includes(email.toLowerCase()) || lower === email.split("@")[0]?.toLowerCase())
    throw refused("it contains the e-mail address");
}

/** "passwordpassword" is no better than "password". */
function repeatedUnit(text: string): string {
  const at = (text + text).indexOf(text, 1);
  return text.slice(0, at);
}

function refused(rule: string): TenantSecretsError {
  return new TenantSecretsError("INVALID_INPUT", `The password was not accepted: ${rule}.`, {
    fields: ["password"],
  });
}
