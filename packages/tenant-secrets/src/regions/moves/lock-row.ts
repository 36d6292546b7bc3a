import { eq } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import { type CompanyId, notFound } from "@repo/catalog";
import { lockCompany } from "../../companies/company-lock.ts";

const { companies } = tables;

/**
 * Locks a company alone, and then its row, in the order of every other transaction.
 *
 * @throws {TenantSecretsError} NOT_FOUND
 */
export async function lockRow(
  statements: Statements,
  companyId: CompanyId,
): Promise<typeof companies.$inferSelect> {
  await lockCompany(statements, companyId);
  const [row] = await statements
    .select()
    .from(companies)
    .where(eq(companies.id, companyId))
    .for("no key update");
  if (row === undefined) throw notFound();
  return row;
}
