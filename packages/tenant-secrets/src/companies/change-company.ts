import { and, eq, isNull, sql } from "drizzle-orm";
import { tables, type CompanyRow } from "@repo/db";
import { type CompanyDescription, notFound, Subdomain, wrongRegion } from "@repo/catalog";
import type { RowTransaction, Transaction } from "../access/operation.ts";

/**
 * Finds a company by its subdomain, and locks its row, to change it.
 *
 * @throws {TenantSecretsError} NOT_FOUND; WRONG_REGION for a company that is at home elsewhere; INTEGRITY_FAILURE for a row that says so and is not genuine
 */
export async function lockNamed(
  { statements, writer }: RowTransaction,
  subdomain: string,
  ownRegion: string,
): Promise<StoredCompany> {
  // An invalid subdomain names no company, and may be a text that PostgreSQL rejects.
  if (!Subdomain.safeParse(subdomain).success) throw notFound();
  const [found] = await statements
    .select()
    .from(tables.companies)
    .where(and(eq(tables.companies.subdomain, subdomain), isNull(tables.companies.deletedAt)))
    .for("no key update");
  if (found === undefined) throw notFound();
  // Only a genuine row says where a company is at home.
  if (found.homeRegion !== ownRegion) writer.require({ kind: "company", ...found }, found);
  requireHome(found, ownRegion);
  return found;
}

/** @throws {TenantSecretsError} WRONG_REGION for a company that is at home elsewhere */
export function requireHome({ homeRegion }: Pick<CompanyRow, "homeRegion">, ownRegion: string): void {
  if (homeRegion !== ownRegion) throw wrongRegion(homeRegion, undefined);
}

export type StoredCompany = typeof tables.companies.$inferSelect;
type CompanyChange = Partial<
  Pick<
    StoredCompany,
    | "subdomain"
    | "secretStore"
    | "storeEpoch"
    | "status"
    | "recoveryDays"
    | "secondFactorRequired"
    | "homeRegion"
    | "homeEpoch"
  >
>;

/**
 * Changes a company's locked row, and what other regions are told of it.
 *
 * @throws {TenantSecretsError} INTEGRITY_FAILURE if the row is not genuine, or one of a region that it is copied to
 */
export async function changeCompany(
  transaction: Transaction,
  found: StoredCompany,
  to: CompanyChange,
): Promise<StoredCompany> {
  const row = await changeCompanyRow(transaction, found, to);
  await transaction.copies.company(row);
  return row;
}

/** As `changeCompany`, for what no other region is told of: the store. */
export async function changeCompanyRow(
  { statements, writer }: RowTransaction,
  found: StoredCompany,
  to: CompanyChange,
): Promise<StoredCompany> {
  writer.require({ kind: "company", ...found }, found);
  const beside = await writer.seal({ kind: "company", ...found, ...to });
  const [row] = await statements
    .update(tables.companies)
    .set({
      ...to,
      ...(to.status === "deleted" && found.deletedAt === null && { deletedAt: sql`now()` }),
      ...beside,
      updatedAt: sql`now()`,
    })
    .where(eq(tables.companies.id, found.id))
    .returning();
  if (row === undefined) throw new Error("a row that is locked is there");
  return row;
}

export function describeCompany(row: StoredCompany): CompanyDescription {
  const { id, subdomain, secretStore, status, recoveryDays, secondFactorRequired, createdAt } = row;
  return { id, subdomain, secretStore, status, recoveryDays, secondFactorRequired, createdAt };
}
