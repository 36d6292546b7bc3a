import type { CompanyId } from "@repo/catalog";

/**
 * The only maker of a CompanyId. Two files call it for callers: `companies.ts`, which has found that the caller may enter the
 * company of a genuine row, and `authenticate.ts`, for the companies that a genuine row of the caller's own names. The others
 * are platform code that works across companies on rows that it selected itself, and takes no id from a request: the answer to
 * a compromise, the rotation of company keys, the settlement of writes to Infisical, the upkeep of secrets, the search for a
 * value and the verification of the audit log. structure.test.ts holds the list.
 */
export function companyIdOf(row: { readonly id: string }): CompanyId {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return row.id as CompanyId;
}
