import type { CompanyId } from "../vocabulary/names.ts";

/**
 * The only maker of a CompanyId. The id stands in a row of `companies`, and whoever calls has found that the caller
 * may enter that company, or that the credential is one of that company's.
 */
export function companyIdOf(row: { readonly id: string }): CompanyId {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return row.id as CompanyId;
}
