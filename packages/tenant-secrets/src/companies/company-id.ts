import type { CompanyId } from "@repo/catalog";

/**
 * The only constructor of a CompanyId. Two files call it for callers: `companies.ts`, after checking that the caller may enter
 * the company of a genuine row, and `authenticate.ts`, for the companies named by a genuine row of the caller. The other files
 * are platform code that works across companies on rows that it selected itself, and takes no id from a request: emergency
 * rotation, the rotation of company keys, the migration of companies, the settlement of writes to Infisical, the maintenance of secrets, the value search,
 * the renewal of copies for other regions, the rows of companies that are at home elsewhere, the verification of regions and that of the audit log. structure.test.ts holds the list.
 */
export function companyIdOf(row: { readonly id: string }): CompanyId {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return row.id as CompanyId;
}
