import { and, asc, eq } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import { integrityFailure, isSignedCopy } from "@repo/envelope";
import type { Region } from "../registry.ts";

const { regionCopies } = tables;

type CopyRow = typeof regionCopies.$inferSelect;

/** The copies of a kind that another region has sent here of a company, by name. Their signatures are not checked yet. */
export function selectArrived(
  statements: Statements,
  ownRegion: string,
  { companyId, kind }: Pick<CopyRow, "companyId" | "kind">,
): Promise<readonly CopyRow[]> {
  return statements
    .select()
    .from(regionCopies)
    .where(
      and(
        eq(regionCopies.targetRegion, ownRegion),
        eq(regionCopies.companyId, companyId),
        eq(regionCopies.kind, kind),
      ),
    )
    .orderBy(asc(regionCopies.name));
}

/** @throws {TenantSecretsError} INTEGRITY_FAILURE where the region did not sign the copy as it is */
export function requireSigned(copy: CopyRow, by: Region): void {
  const { signature } = copy;
  const isSigned =
    copy.homeRegion === by.region &&
    signature !== null &&
    isSignedCopy(by.signingKey, { ...copy, revision: String(copy.revision) }, signature);
  if (!isSigned) throw integrityFailure();
}
