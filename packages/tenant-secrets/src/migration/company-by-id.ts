import { companySuspended, notFound } from "@repo/catalog";
import { requireHome } from "../companies/change-company.ts";
import { type Company, companyOfRow } from "../companies/companies.ts";
import type { CompanyRows } from "../companies/company-rows.ts";

/**
 * A company at home here, whose id is in a row that this product selected itself.
 *
 * @throws {TenantSecretsError} NOT_FOUND, COMPANY_SUSPENDED; WRONG_REGION for one that is at home elsewhere
 */
export async function companyById(
  rows: Pick<CompanyRows, "findById" | "ownRegion">,
  id: string,
): Promise<Company> {
  const row = await rows.findById(id);
  if (row === undefined || row.status === "deleted") throw notFound();
  requireHome(row, rows.ownRegion);
  if (row.status === "suspended") throw companySuspended();
  return companyOfRow(row, rows.ownRegion);
}
