import { and, eq, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import type { CompanyId } from "../vocabulary/names.ts";
import { notFound, TenantSecretsError } from "../vocabulary/errors.ts";

const { companySecrets, companySecretVersions } = tables;

/** The one permanent row of a secret, locked by whoever holds one of these. */
export type Head = typeof companySecrets.$inferSelect;

export function ofSecret(companyId: CompanyId, secretKey: string) {
  return and(eq(companySecrets.companyId, companyId), eq(companySecrets.secretKey, secretKey));
}

export async function lockHead(
  statements: Statements,
  companyId: CompanyId,
  secretKey: string,
): Promise<Head | undefined> {
  const [head] = await statements
    .select()
    .from(companySecrets)
    .where(ofSecret(companyId, secretKey))
    .for("update");
  return head;
}

/** The head, locked; where there is none, a new one that reads as removed, for the same transaction to fill. */
export async function lockOrMakeHead(
  statements: Statements,
  companyId: CompanyId,
  secretKey: string,
): Promise<{ readonly head: Head; readonly made: boolean }> {
  const found = await lockHead(statements, companyId, secretKey);
  if (found !== undefined) return { head: found, made: false };
  const inserted = await statements
    .insert(companySecrets)
    .values({ companyId, secretKey, lastVersion: 0, origin: "written", deletedAt: sql`now()` })
    .onConflictDoNothing()
    .returning({ id: companySecrets.id });
  const head = await lockHead(statements, companyId, secretKey);
  if (head === undefined) throw new Error("the head of a secret is permanent");
  return { head, made: inserted.length > 0 };
}

/** The head of a secret that is there, locked. @throws {TenantSecretsError} NOT_FOUND */
export async function lockLiveHead(
  statements: Statements,
  companyId: CompanyId,
  secretKey: string,
): Promise<Head> {
  const head = await lockHead(statements, companyId, secretKey);
  if (head === undefined || head.deletedAt !== null) throw notFound();
  return head;
}

/** @throws {TenantSecretsError} CONFLICT, with the current version, where it is not the expected one */
export function expectVersion(head: Head, expectedVersion: number | undefined): void {
  const currentVersion = head.deletedAt === null ? (head.currentVersion ?? 0) : 0;
  if (expectedVersion === undefined || expectedVersion === currentVersion) return;
  throw new TenantSecretsError(
    "CONFLICT",
    `The secret is at version ${currentVersion}, not ${expectedVersion}: somebody else changed it. Look at it again, then decide.`,
    { currentVersion },
  );
}

/** Moves the sealed value of the version that is current now to that version's own row. @returns the row's id */
export async function keepCurrentVersion(statements: Statements, head: Head): Promise<string | null> {
  if (head.currentVersion === null) return null;
  const [row] = await statements
    .update(companySecretVersions)
    .set({ sealed: head.secretValueEncrypted, companyKeyNo: head.companyKeyNo })
    .where(
      and(
        eq(companySecretVersions.companyId, head.companyId),
        eq(companySecretVersions.secretKey, head.secretKey),
        eq(companySecretVersions.version, head.currentVersion),
      ),
    )
    .returning({ id: companySecretVersions.id });
  if (row === undefined) throw new Error("every version has a row");
  return row.id;
}
