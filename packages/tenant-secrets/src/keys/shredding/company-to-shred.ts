import { and, eq, gt, isNull } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { notFound, Subdomain, TenantSecretsError, wrongRegion } from "@repo/catalog";
import type { Transaction } from "../../access/operation.ts";
import { requireHome } from "../../companies/change-company.ts";
import { lockCompany } from "../../companies/company-lock.ts";
import type { SignedReceipt } from "../../runs/signed-receipt.ts";

const { companies, companyHomes, shreddings } = tables;

export type CompanyRow = typeof companies.$inferSelect;

export interface LockedCompany {
  readonly company: CompanyRow;
  /** The receipt, if its keys are destroyed. */
  readonly earlier: SignedReceipt | undefined;
}

/**
 * Checks what the destruction of a company's keys needs of it, and locks it.
 *
 * @param seen found before, by a name or by its id
 * @throws {TenantSecretsError} NOT_FOUND, INTEGRITY_FAILURE, WRONG_REGION; NOT_SUPPORTED if its values are in Infisical and its folder
 *   is not to be deleted
 */
export async function lockToShred(
  { statements, writer }: Transaction,
  seen: CompanyRow,
  {
    withInfisicalFolder = false,
    ownRegion,
  }: { readonly withInfisicalFolder?: boolean | undefined; readonly ownRegion: string },
): Promise<LockedCompany> {
  await lockCompany(statements, seen.id);
  const [company] = await statements.select().from(companies).where(eq(companies.id, seen.id)).for("update");
  if (company === undefined) throw notFound();
  // Found by its subdomain, which decides whose keys are destroyed: verify the row.
  writer.require({ kind: "company", ...company }, company);
  requireHome(company, ownRegion);
  await requireNoLaterHome(statements, company);
  const earlier = await findReceipt(statements, company.id);
  if (earlier === undefined && company.secretStore === "infisical" && !withInfisicalFolder) {
    throw new TenantSecretsError(
      "NOT_SUPPORTED",
      "This company's values live in Infisical, under no key of ours that could be destroyed: its folder can be deleted with them, which has to be asked for (--with-infisical-folder).",
    );
  }
  return { company, earlier };
}

/** Another region may have taken the company over from this one, and the company's row not say so yet. */
async function requireNoLaterHome(
  statements: Statements,
  { id, homeEpoch }: Pick<CompanyRow, "id" | "homeEpoch">,
): Promise<void> {
  const [later] = await statements
    .select({ region: companyHomes.homeRegion })
    .from(companyHomes)
    .where(and(eq(companyHomes.companyId, id), gt(companyHomes.homeEpoch, homeEpoch)));
  if (later !== undefined) throw wrongRegion(later.region, undefined);
}

/** @returns undefined where no company that is there has the name */
export async function findCompany(
  statements: Statements,
  subdomain: string,
): Promise<CompanyRow | undefined> {
  // An invalid subdomain names no company, and may be a text that PostgreSQL rejects.
  if (!Subdomain.safeParse(subdomain).success) return undefined;
  const [row] = await statements
    .select()
    .from(companies)
    .where(and(eq(companies.subdomain, subdomain), isNull(companies.deletedAt)));
  return row;
}

/** The receipt, if the keys of a company are destroyed. */
export async function findReceipt(
  statements: Statements,
  companyId: string,
): Promise<SignedReceipt | undefined> {
  const [row] = await statements
    .select({ receipt: shreddings.receipt, signature: shreddings.signature })
    .from(shreddings)
    .where(eq(shreddings.companyId, companyId));
  return row;
}
