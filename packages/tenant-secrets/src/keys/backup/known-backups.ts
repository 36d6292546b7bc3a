import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { desc, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import type { KnownKeyBackup } from "@repo/catalog";

const { keyBackups } = tables;
const mostListed = 200;

/** Such as `sha256:9f86…`, of a backup's file. */
export function fingerprintOf(file: string | Uint8Array): string {
  return `sha256:${createHash("sha256").update(file).digest("hex")}`;
}

/** Where a file of this process is: the host and the absolute path. */
export function placeOf(path: string): string {
  return `${hostname()}:${resolve(path)}`;
}

interface MadeBackup {
  readonly fingerprint: string;
  /** Host and path. */
  readonly place: string | undefined;
  readonly createdAt: Date;
}

export async function insertMade(statements: Statements, made: MadeBackup): Promise<void> {
  await statements.insert(keyBackups).values(made);
}

/** Notes the result of a check. A backup that was unknown is known from then on. */
export async function upsertChecked(
  statements: Statements,
  checked: Pick<MadeBackup, "fingerprint" | "createdAt"> & { readonly complete: boolean },
): Promise<void> {
  const { complete } = checked;
  await statements
    .insert(keyBackups)
    .values({ ...checked, checkedAt: sql`now()` })
    .onConflictDoUpdate({ target: keyBackups.fingerprint, set: { checkedAt: sql`now()`, complete } });
}

/** The newest first. */
export async function selectKnown(statements: Statements): Promise<readonly KnownKeyBackup[]> {
  const rows = await statements
    .select()
    .from(keyBackups)
    .orderBy(desc(keyBackups.createdAt), desc(keyBackups.fingerprint))
    .limit(mostListed);
  return rows.map(({ place, checkedAt, complete, ...backup }) => ({
    ...backup,
    place: place ?? undefined,
    lastCheck: checkedAt === null || complete === null ? undefined : { at: checkedAt, complete },
  }));
}
