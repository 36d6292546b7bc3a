import { timingSafeEqual } from "node:crypto";
import { makeSignature } from "better-auth/crypto";
import type { SignInSecrets } from "./ports.ts";

/** A value with its MAC, in the form that better-auth gives its cookies. */
export async function sign(value: string, [current]: SignInSecrets): Promise<string> {
  return `${value}.${await makeSignature(value, current.value)}`;
}

/**
 * The value of a cookie that was signed under any of the secrets, so that sessions outlive a rotation.
 *
 * @returns undefined for any other cookie, and for one that stands there twice
 */
export async function signedCookieOf(
  headers: Headers,
  name: string,
  secrets: SignInSecrets,
): Promise<string | undefined> {
  const signed = cookieOf(headers, name);
  const at = signed?.lastIndexOf(".") ?? -1;
  if (signed === undefined || at < 1) return undefined;
  const value = signed.slice(0, at);
  const given = Buffer.from(signed.slice(at + 1));
  for (const secret of secrets) {
    const expected = Buffer.from(await makeSignature(value, secret.value));
    if (given.length === expected.length && timingSafeEqual(given, expected)) return value;
  }
  return undefined;
}

/** A cookie's value. Undefined also where it stands there twice: one of the two comes from elsewhere. */
function cookieOf(headers: Headers, name: string): string | undefined {
  const values = (headers.get("cookie") ?? "")
    .split(/; */)
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  const [value] = values;
  if (value === undefined || values.length > 1) return undefined;
  try {
    return decodeURIComponent(value);
  } catch {
    return undefined;
  }
}
