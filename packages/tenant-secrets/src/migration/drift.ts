import type { AuditEntry } from "@repo/audit-log";
import type { CompanyId } from "@repo/catalog";
import type { ComparedSecret } from "./comparison.ts";
import type { LedgerEntry } from "./ledger.ts";

/** A secret that others have changed in the folder. */
export interface Drift {
  readonly secretKey: string;
  /** Its version in the folder; undefined where it was deleted there. */
  readonly version: number | undefined;
}

interface FolderRow {
  readonly secretKey: string;
  readonly id: string;
  readonly version: number;
}

/** What the folder was known to have: null for nothing. */
type KnownRow = Pick<LedgerEntry, "secretKey" | "outsideId" | "outsideVersion" | "isBeingWritten">;

/**
 * What others have changed in the folder since it was known. A secret that is not known is left out, and so is one that this
 * product has begun to write: its other version may be ours.
 *
 * @param rows all of the folder
 */
export function driftsOf(known: Iterable<KnownRow>, rows: Iterable<FolderRow>): readonly Drift[] {
  const found = new Map([...rows].map((row) => [row.secretKey, row]));
  return [...known].flatMap(({ secretKey, outsideId, outsideVersion, isBeingWritten }) => {
    const row = found.get(secretKey);
    const isSame = (row?.id ?? null) === outsideId && (row?.version ?? null) === outsideVersion;
    return isBeingWritten || isSame ? [] : [{ secretKey, version: row?.version }];
  });
}

/** As {@link driftsOf}, since a comparison: of all secrets that the folder had then or has now. */
export function driftsSince(
  secrets: readonly ComparedSecret[],
  rows: readonly FolderRow[],
): readonly Drift[] {
  const compared = new Map(secrets.map(({ secretKey, folder }) => [secretKey, folder]));
  const names = new Set([...compared.keys(), ...rows.map(({ secretKey }) => secretKey)]);
  const known = [...names].map((secretKey): KnownRow => {
    const folder = compared.get(secretKey);
    const { id = null, version = null } = folder ?? {};
    return { secretKey, outsideId: id, outsideVersion: version, isBeingWritten: false };
  });
  return driftsOf(known, rows);
}

export function driftEvent(companyId: CompanyId, { secretKey, version }: Drift): AuditEntry {
  return { action: "company.drift", outcome: "success", companyId, secretKey, version };
}
