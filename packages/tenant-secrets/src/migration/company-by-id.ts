import { companySuspended, notFound } from "@repo/catalog";
import { companyIdOf } from "../companies/company-id.ts";
import type { Company } from "../companies/companies.ts";
import type { CompanyRows } from "../companies/company-rows.ts";

/**
 * A company whose id is in a row that this product selected itself.
 *
 * @throws {TenantSecretsError} NOT_FOUND, COMPANY_SUSPENDED
 */
export async function companyById(rows: Pick<CompanyRows, "findById">, id: string): Promise<Company> {
  const row = await rows.findById(id);
  if (row === undefined || row.status === "deleted") throw notFound();
  if (row.status === "suspended") throw companySuspended();
  const { subdomain, infisicalFolder, secretStore, storeEpoch } = row;
  return { id: companyIdOf(row), subdomain, infisicalFolder, secretStore, storeEpoch };
}
