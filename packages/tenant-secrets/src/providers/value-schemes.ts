import { randomBytes } from "node:crypto";
import { type Catalog, TenantSecretsError, type ValueScheme } from "@repo/catalog";

/** 256 bits: what the Standard Webhooks specification advises at least 192 of, and no guess comes near. */
const randomLength = 32;

const schemes: Readonly<Record<ValueScheme, () => string>> = {
  "standard-webhooks": () => `whsec_${randomBytes(randomLength).toString("base64")}`,
  "random-token": () => randomBytes(randomLength).toString("base64url"),
};

/** Called at startup. @throws {TypeError} if an entry would refuse what its scheme makes, or names no scheme that there is */
export function requireSchemes(catalog: Catalog): void {
  for (const [secretKey, { generates, schema }] of Object.entries(catalog.entries)) {
    if (generates === undefined) continue;
    if (!Object.hasOwn(schemes, generates) || !schema.safeParse(schemes[generates]()).success) {
      throw new TypeError(`The entry of ${secretKey} does not take a value of the scheme "${generates}"`);
    }
  }
}

/**
 * @returns a random value in the form that the entry names
 * @throws {TenantSecretsError} UNKNOWN_SECRET_KEY; NOT_SUPPORTED if the entry names no scheme
 */
export function generateValue(catalog: Catalog, secretKey: string): string {
  const { generates } = catalog.get(secretKey);
  if (generates !== undefined) return schemes[generates]();
  throw new TenantSecretsError(
    "NOT_SUPPORTED",
    `${secretKey} cannot be made here: its value comes from its provider.`,
  );
}
