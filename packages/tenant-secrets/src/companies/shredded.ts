import { inArray } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";

const { shreddings } = tables;

/** When the keys of companies were destroyed, by the id of each whose keys were. */
export async function selectShredded(
  statements: Statements,
  companyIds: readonly string[],
): Promise<ReadonlyMap<string, Date>> {
  if (companyIds.length === 0) return new Map();
  const rows = await statements
    .select({ id: shreddings.companyId, shreddedAt: shreddings.shreddedAt })
    .from(shreddings)
    .where(inArray(shreddings.companyId, [...companyIds]));
  return new Map(rows.map(({ id, shreddedAt }) => [id, shreddedAt]));
}
