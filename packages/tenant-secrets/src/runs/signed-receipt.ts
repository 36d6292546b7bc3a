import { z } from "zod";
import { readPublicKeys, type SigningKey } from "@repo/audit-log";
import { TenantSecretsError } from "@repo/catalog";
import { documentText, isSignatureOf, keyNumberOf, readDocument, signatureOf } from "./signed-document.ts";

const Signed = z.strictObject({ receipt: z.string(), signature: z.string() });

/** A receipt as a JSON text, and its signature by the deployment's signing key. */
export type SignedReceipt = z.infer<typeof Signed>;

/** The content of a receipt of any kind: its format is signed with it. */
interface WithFormat {
  readonly format: string;
}

export function signReceipt<Content extends WithFormat>(
  schema: z.ZodType<Content>,
  content: Content,
  key: SigningKey,
): SignedReceipt {
  const receipt = documentText(schema, content);
  return { receipt, signature: signatureOf(content.format, receipt, key) };
}

/**
 * Verifies a receipt with public keys alone: without database and Infisical.
 *
 * @param schema of the kinds of receipt that are taken
 * @param signed the text of the file
 * @param publicKeys PEM, as `keys public-key` prints it
 * @returns the receipt's content
 * @throws {TenantSecretsError} INTEGRITY_FAILURE for a modified receipt, another kind or another key's signature; INVALID_INPUT
 *   for a key of another kind
 */
export function verifySigned<Content extends WithFormat>(
  schema: z.ZodType<Content>,
  signed: string,
  publicKeys: string,
): Content {
  const { receipt, signature } = parseSigned(signed);
  const keys = readPublicKeys(publicKeys);
  const content = readReceipt(schema, receipt);
  if (!isSignatureOf(content.format, receipt, { signature, keys })) throw notGenuine();
  return content;
}

/** A receipt's content, without verifying its signature. @throws {TenantSecretsError} INTEGRITY_FAILURE if it is no receipt */
export function readReceipt<Content>(schema: z.ZodType<Content>, receipt: string): Content {
  const content = readDocument(schema, receipt);
  if (content === undefined) throw notGenuine();
  return content;
}

/** @throws {TenantSecretsError} INTEGRITY_FAILURE if the text is no signed receipt */
export function parseSigned(text: string): SignedReceipt {
  const signed = readDocument(Signed, text);
  if (signed === undefined) throw notGenuine();
  return signed;
}

/** The version of the signing key that a receipt names. @throws {TenantSecretsError} INTEGRITY_FAILURE */
export function signingKeyVersionOf(text: string): number {
  const keyVersion = keyNumberOf(parseSigned(text).signature);
  if (keyVersion === undefined) throw notGenuine();
  return keyVersion;
}

function notGenuine(): TenantSecretsError {
  return new TenantSecretsError(
    "INTEGRITY_FAILURE",
    "This receipt was modified, or was not signed with this key.",
  );
}
