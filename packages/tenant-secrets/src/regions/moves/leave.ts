import { eq, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import type { CompanyId } from "@repo/catalog";
import type { Transaction } from "../../access/operation.ts";
import { changeCompany } from "../../companies/change-company.ts";
import type { RegionRegistry } from "../registry.ts";
import { requireSigned, selectArrived } from "./arrived.ts";
import { lockRow } from "./lock-row.ts";

const { companyRegions } = tables;

/** Another region that says, signed, that it is the home of a company. */
export interface Claim {
  readonly region: string;
  /** Later than that of the home that is known here. */
  readonly epoch: number;
}

/**
 * @returns the claim of a later epoch than that of the home that is known here
 * @throws {TenantSecretsError} INTEGRITY_FAILURE for a claim that the region did not sign
 */
export async function findClaim(
  statements: Statements,
  { ownRegion, registry }: { readonly ownRegion: string; readonly registry: RegionRegistry },
  company: { readonly id: CompanyId; readonly homeEpoch: number },
): Promise<Claim | undefined> {
  const [copy] = await selectArrived(statements, ownRegion, { companyId: company.id, kind: "company" });
  if (copy === undefined || copy.homeEpoch <= company.homeEpoch) return undefined;
  const region = await registry.find(copy.homeRegion);
  if (region === undefined) return undefined;
  requireSigned(copy, region);
  return { region: copy.homeRegion, epoch: copy.homeEpoch };
}

/**
 * Ends the home of a company here: all that only a home has is deleted, and what the new home sends is read from then on. Idempotent.
 *
 * @returns the revision of the company's row
 */
export async function leaveHome(
  transaction: Transaction,
  companyId: CompanyId,
  { region: homeRegion, epoch: homeEpoch }: Claim,
): Promise<number> {
  const { statements } = transaction;
  const row = await lockRow(statements, companyId);
  if (row.homeEpoch >= homeEpoch) return row.revision;
  // Takes the copies, and with them what was offered.
  await statements.delete(companyRegions).where(eq(companyRegions.companyId, companyId));
  await statements.execute(sql`select leave_home(${companyId})`);
  // A process that has not heard of it would write here under the epoch that it knows.
  const change = { homeRegion, homeEpoch, storeEpoch: row.storeEpoch + 1 };
  return (await changeCompany(transaction, row, change)).revision;
}
