import { type Catalog, type ErrorCode, type SecretDescription, TenantSecretsError } from "@repo/catalog";
import type { Company } from "../../companies/companies.ts";

/** A credential that may be exposed, and that only its provider can revoke. */
export interface ExposedCredential {
  readonly company: string;
  readonly secretKey: string;
  readonly label: string | undefined;
  readonly version: number;
  readonly location: "infisical" | "database";
  readonly updatedAt: Date;
  readonly lastFour: string | undefined;
}

/** A step that failed for one company. */
export interface Remainder {
  readonly company: string;
  readonly undone: "keys" | "list";
  readonly code: ErrorCode;
  readonly message: string;
}

export function exposedOf(
  catalog: Catalog,
  company: Company,
  { secretKey, version, location, updatedAt, lastFour }: Omit<SecretDescription, "inCatalog" | "label">,
): ExposedCredential {
  const label = catalog.find(secretKey)?.label;
  return { company: company.subdomain, secretKey, label, version, location, updatedAt, lastFour };
}

/** @throws errors that do not concern this company alone */
export function remainderOf(
  company: string,
  undone: Remainder["undone"],
  { error, codes }: { readonly error: unknown; readonly codes: readonly ErrorCode[] },
): Remainder {
  if (!(error instanceof TenantSecretsError) || !codes.includes(error.code)) throw error;
  return { company, undone, code: error.code, message: error.message };
}
