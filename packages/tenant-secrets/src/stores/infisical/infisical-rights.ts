import { and, ne } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import { TenantSecretsError } from "@repo/catalog";
import { mapInfisicalErrors } from "./infisical-errors.ts";

/** No company's: no subdomain has an underscore. It stays, empty, so that processes which start together do not meet. */
const folder = "/tenants/_rights-check";
const name = "RIGHTS_CHECK";

/**
 * Tries the rights that this service needs in Infisical, as no machine identity can read its own: reading `/hono-api`, and,
 * where some company's secrets live in Infisical, making a folder in `/tenants` and making, changing, listing, reading and
 * deleting a secret below it, in a folder that no company has.
 *
 * @returns a sentence for each right that is missing
 * @throws {TenantSecretsError} STORE_UNAVAILABLE, DATABASE_UNAVAILABLE: it could not be tried
 */
export async function tryInfisicalRights(
  database: Database,
  infisical: InfisicalClient,
): Promise<readonly string[]> {
  const steps = [
    () => infisical.listSecrets("/hono-api"),
    ...((await hasCompaniesThere(database)) ? companySteps(infisical) : []),
  ];
  const missing = new Set<string>();
  for (const step of steps) {
    try {
      await mapInfisicalErrors(step);
    } catch (error) {
      if (!(error instanceof TenantSecretsError) || error.code !== "FORBIDDEN") throw error;
      missing.add(error.message);
    }
  }
  return [...missing];
}

const companySteps = (infisical: InfisicalClient): (() => Promise<unknown>)[] => [
  () => infisical.createFolder(folder),
  () => infisical.putSecret(folder, name, "made"),
  () => infisical.putSecret(folder, name, "changed"),
  () => infisical.listSecretSummaries(folder),
  () => infisical.listSecrets(folder),
  () => infisical.deleteSecret(folder, name),
];

function hasCompaniesThere(database: Database): Promise<boolean> {
  const { companies } = tables;
  return database.acrossCompanies(async (statements) => {
    const found = await statements
      .select({ id: companies.id })
      .from(companies)
      .where(and(ne(companies.secretStore, "database"), ne(companies.status, "deleted")))
      .limit(1);
    return found.length > 0;
  });
}
