import { eq, inArray } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import { TenantSecretsError } from "@repo/catalog";

const { companies, companyRegions } = tables;

/**
 * Other regions have copies of what is in the database alone, so that a company that is copied keeps its store.
 *
 * @throws {TenantSecretsError} CONFLICT if one of these companies is copied to another region
 */
export async function refuseCopied(statements: Statements, companyIds: readonly string[]): Promise<void> {
  const [copied] = await statements
    .select({ subdomain: companies.subdomain, region: companyRegions.region })
    .from(companyRegions)
    .innerJoin(companies, eq(companies.id, companyRegions.companyId))
    .where(inArray(companyRegions.companyId, [...companyIds]))
    .limit(1);
  if (copied === undefined) return;
  throw new TenantSecretsError(
    "CONFLICT",
    `${copied.subdomain} is copied to region ${copied.region}, and only what is in the database is copied: take it from there first ("companies regions remove").`,
  );
}
