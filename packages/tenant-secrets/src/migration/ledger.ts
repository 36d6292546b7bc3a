import { and, eq, notInArray, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import type { CompanyId } from "@repo/catalog";
import type { ComparedSecret } from "./comparison.ts";

const { folderEntries } = tables;

/** Which versions of a secret were last proven equal. */
export type LedgerEntry = typeof folderEntries.$inferSelect;

/** @returns by secret key */
export async function selectLedger(
  statements: Statements,
  companyId: CompanyId,
): Promise<ReadonlyMap<string, LedgerEntry>> {
  const rows = await statements.select().from(folderEntries).where(eq(folderEntries.companyId, companyId));
  return new Map(rows.map((row) => [row.secretKey, row]));
}

/** Makes the ledger of a company what a comparison has found: the equal secrets, and no other. */
export async function replaceLedger(
  statements: Statements,
  companyId: CompanyId,
  secrets: readonly ComparedSecret[],
): Promise<void> {
  const entries = secrets.flatMap(({ secretKey, standing, folder, database }) =>
    standing === "equal" && folder !== undefined && database !== undefined
      ? [
          {
            companyId,
            secretKey,
            syncedVersion: database.version,
            outsideId: folder.id,
            outsideVersion: folder.version,
            outsideUpdatedAt: folder.updatedAt,
          },
        ]
      : [],
  );
  const ofCompany = eq(folderEntries.companyId, companyId);
  const kept = entries.map(({ secretKey }) => secretKey);
  await statements
    .delete(folderEntries)
    .where(kept.length === 0 ? ofCompany : and(ofCompany, notInArray(folderEntries.secretKey, kept)));
  if (entries.length === 0) return;
  await statements
    .insert(folderEntries)
    .values(entries)
    .onConflictDoUpdate({
      target: [folderEntries.companyId, folderEntries.secretKey],
      set: {
        syncedVersion: sql`excluded.synced_version`,
        outsideId: sql`excluded.outside_id`,
        outsideVersion: sql`excluded.outside_version`,
        outsideUpdatedAt: sql`excluded.outside_updated_at`,
        syncedAt: sql`now()`,
      },
    });
}
