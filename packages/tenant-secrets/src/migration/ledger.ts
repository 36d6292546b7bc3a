import { and, eq, isNotNull, notInArray, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import type { CompanyId, FindingCode } from "@repo/catalog";
import type { ComparedSecret } from "./comparison.ts";

const { folderEntries } = tables;

/** What the folder was last found to have of a secret, beside which version in the database. */
export type LedgerEntry = typeof folderEntries.$inferSelect;
type NewEntry = typeof folderEntries.$inferInsert;

/** @returns by secret key */
export async function selectLedger(
  statements: Statements,
  companyId: CompanyId,
): Promise<ReadonlyMap<string, LedgerEntry>> {
  const rows = await statements.select().from(folderEntries).where(eq(folderEntries.companyId, companyId));
  return new Map(rows.map((row) => [row.secretKey, row]));
}

/** Makes the ledger of a company what a comparison has proven, and nothing else. */
export async function replaceLedger(
  statements: Statements,
  companyId: CompanyId,
  secrets: readonly ComparedSecret[],
): Promise<void> {
  const entries = secrets.flatMap((secret) => provenEntry(companyId, secret) ?? []);
  const ofCompany = eq(folderEntries.companyId, companyId);
  const kept = entries.map(({ secretKey }) => secretKey);
  await statements
    .delete(folderEntries)
    .where(kept.length === 0 ? ofCompany : and(ofCompany, notInArray(folderEntries.secretKey, kept)));
  await putEntries(statements, entries);
}

/**
 * Adds to the ledger what a comparison has proven, and which versions the folder does not get. What is still to be brought there
 * stays as it is.
 */
export async function extendLedger(
  statements: Statements,
  companyId: CompanyId,
  { secrets, findings }: { readonly secrets: readonly ComparedSecret[]; readonly findings: Findings },
): Promise<void> {
  const entries = secrets.flatMap((secret): readonly NewEntry[] => {
    const finding = findings.get(secret.secretKey);
    const entry =
      finding === undefined ? provenEntry(companyId, secret) : { ...entryOf(companyId, secret), finding };
    return entry === undefined ? [] : [entry];
  });
  await putEntries(statements, entries);
}

/** Versions that the folder did not get are tried again. */
export async function forgetFindings(statements: Statements, companyId: string): Promise<void> {
  await statements
    .delete(folderEntries)
    .where(and(eq(folderEntries.companyId, companyId), isNotNull(folderEntries.finding)));
}

/** Why the folder does not get the current version of a secret, by secret key. */
export type Findings = ReadonlyMap<string, FindingCode>;

/** From here on another version in the folder may be one of ours. */
export async function markBeingWritten(
  statements: Statements,
  companyId: CompanyId,
  secretKey: string,
): Promise<void> {
  await statements
    .update(folderEntries)
    .set({ isBeingWritten: true })
    .where(and(eq(folderEntries.companyId, companyId), eq(folderEntries.secretKey, secretKey)));
}

/** @returns undefined unless both sides have the same */
function provenEntry(companyId: CompanyId, secret: ComparedSecret): NewEntry | undefined {
  const { standing, database } = secret;
  const isProven = database !== undefined && (standing === "equal" || standing === "removed");
  return isProven ? entryOf(companyId, secret) : undefined;
}

function entryOf(companyId: CompanyId, { secretKey, folder, database }: ComparedSecret): NewEntry {
  return {
    companyId,
    secretKey,
    syncedVersion: database?.version ?? 0,
    outsideId: folder?.id ?? null,
    outsideVersion: folder?.version ?? null,
    outsideUpdatedAt: folder?.updatedAt ?? null,
    finding: null,
    isBeingWritten: false,
  };
}

/** As many as fit into the parameters of a statement. */
const batchSize = 1000;

async function putEntries(statements: Statements, entries: readonly NewEntry[]): Promise<void> {
  for (let i = 0; i < entries.length; i += batchSize) {
    await statements
      .insert(folderEntries)
      .values(entries.slice(i, i + batchSize))
      .onConflictDoUpdate({
        target: [folderEntries.companyId, folderEntries.secretKey],
        set: {
          syncedVersion: sql`excluded.synced_version`,
          outsideId: sql`excluded.outside_id`,
          outsideVersion: sql`excluded.outside_version`,
          outsideUpdatedAt: sql`excluded.outside_updated_at`,
          finding: sql`excluded.finding`,
          isBeingWritten: sql`excluded.is_being_written`,
          syncedAt: sql`now()`,
        },
      });
  }
}
