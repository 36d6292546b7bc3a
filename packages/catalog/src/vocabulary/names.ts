import { z } from "zod";
import { secretKeyPattern } from "./patterns.ts";

declare const brand: unique symbol;

/**
 * The id of a company that the current caller was found to belong to, or that platform code selected. The makers are listed in
 * `companies/company-id.ts`, so that a function which takes a `CompanyId` cannot be handed an id from a request.
 */
export type CompanyId = string & { readonly [brand]: "CompanyId" };

/** A company's name in a URL: a DNS label (RFC 1123, 2.1), lower case. */
export const Subdomain = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/);

/** The form of a secret key. Which keys exist is the catalogue's to say. */
export const SecretKey = z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,99}$/);

/** One secret key, or all with a prefix. */
export const SecretKeyPattern = z.string().regex(secretKeyPattern);

/** What people call a credential or an operator. */
export function isDisplayName(text: string): boolean {
  return /^[^\p{Cc}\p{Cs}\p{Bidi_Control}]{1,100}$/u.test(text) && text.trim() !== "";
}
export const displayNameRule = "1 to 100 characters, and no control characters among them";

export const SecretStoreName = z.enum(["infisical", "hybrid", "database"]);
export type SecretStoreName = z.infer<typeof SecretStoreName>;
