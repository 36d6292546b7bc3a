import { and, asc, eq, getTableColumns, inArray, sql, type SQL } from "drizzle-orm";
import { setTimeout as sleep } from "node:timers/promises";
import { tables, type Database, type Statements } from "@repo/db";
import type { AuditLog } from "../access/audit.ts";
import { onDatabase } from "../access/database-errors.ts";
import type { Company } from "../companies/companies.ts";
import type { CompanyKeys } from "../keys/company-keys.ts";
import { enterCompany, StoreHeld } from "../keys/company-lock.ts";
import type { CompanyId } from "../vocabulary/names.ts";
import { notFound, TenantSecretsError } from "../vocabulary/errors.ts";

const { companySecrets, companySecretVersions } = tables;

/** What the parts of the database store work with. */
export interface DatabaseParts {
  readonly database: Database;
  readonly companyKeys: CompanyKeys;
  readonly audit: AuditLog;
}

/** How long a write waits at most while the company's store is being changed. The change itself may take 8 s. */
const longestHoldMs = 10_000;

export interface InCompanyOptions {
  /** Whether to wait while the company's store is being changed. Default: true */
  readonly waits?: boolean | undefined;
}

/**
 * A transaction that changes secrets of a company, in its scope, and can put its event into the record. `work` is done again
 * where it was done in vain.
 *
 * @throws {StoreChanged} where the company's secrets live somewhere else since it was entered
 * @throws {TenantSecretsError} STORE_UNAVAILABLE where that is being changed for longer than one waits
 */
export async function inCompany<T>(
  { database, audit }: Pick<DatabaseParts, "database" | "audit">,
  company: Company,
  work: (statements: Statements) => Promise<T>,
  { waits = true }: InCompanyOptions = {},
): Promise<T> {
  const giveUpAt = performance.now() + (waits ? longestHoldMs : 0);
  for (;;) {
    await audit.ready();
    try {
      return await onDatabase(() =>
        database.inCompany(company.id, async (statements) => {
          await enterCompany(statements, company);
          return work(statements);
        }),
      );
    } catch (error) {
      if (!(error instanceof StoreHeld) || performance.now() >= giveUpAt) throw error;
      // At random, so that those who wait do not come back together.
      await sleep(25 + 75 * Math.random());
    }
  }
}

/** The one permanent row of a secret, locked by whoever holds one of these. */
export type Head = typeof companySecrets.$inferSelect & {
  /** When the transaction that locked it began, by the database's clock. */
  readonly now: Date;
};

/** What a statement has to select for a {@link Head}. */
export const headColumns = {
  ...getTableColumns(companySecrets),
  // Rounded as it is where it is stored.
  now: sql<Date>`now()::timestamptz(3)`.mapWith(companySecrets.updatedAt),
};

/** A secret that is there, and so has a current version. */
export type LiveHead = Head & { readonly currentVersion: number };

export function ofSecret(companyId: string, secretKey: string): SQL | undefined {
  return and(eq(companySecrets.companyId, companyId), eq(companySecrets.secretKey, secretKey));
}

/** The rows of a secret's versions; with a number, that one's. */
export function ofVersion(
  { companyId, secretKey }: Pick<Head, "companyId" | "secretKey">,
  version?: number,
): SQL | undefined {
  return and(
    eq(companySecretVersions.companyId, companyId),
    eq(companySecretVersions.secretKey, secretKey),
    version === undefined ? undefined : eq(companySecretVersions.version, version),
  );
}

/** Joins heads with the rows of their versions. */
export const sameSecret = and(
  eq(companySecretVersions.companyId, companySecrets.companyId),
  eq(companySecretVersions.secretKey, companySecrets.secretKey),
);

export async function lockHead(
  statements: Statements,
  companyId: CompanyId,
  secretKey: string,
): Promise<Head | undefined> {
  const [head] = await statements
    .select(headColumns)
    .from(companySecrets)
    .where(ofSecret(companyId, secretKey))
    .for("update");
  return head;
}

/** The one way in which a head that is there changes. @param changes columns and their values; `updated_at` comes by itself */
export async function changeHead(
  statements: Statements,
  head: Head,
  changes: Omit<Partial<typeof companySecrets.$inferInsert>, "companyId" | "secretKey" | "updatedAt">,
): Promise<void> {
  await statements
    .update(companySecrets)
    .set({ ...changes, updatedAt: head.now })
    .where(ofSecret(head.companyId, head.secretKey));
}

export interface LockedHead {
  readonly head: Head;
  /** By this transaction, which has to fill it: until then it reads as removed. */
  readonly made: boolean;
}

/**
 * The heads of secrets, locked, by their secret keys; where there is none, a new one. First all are made and then all are
 * locked, both in one order, so that two that want several of the same never wait for each other.
 */
export async function lockOrMakeHeads(
  statements: Statements,
  companyId: CompanyId,
  secretKeys: readonly string[],
): Promise<ReadonlyMap<string, LockedHead>> {
  const inserted = await statements
    .insert(companySecrets)
    .values(
      secretKeys.toSorted().map((secretKey) => ({
        companyId,
        secretKey,
        lastVersion: 0,
        origin: "written" as const,
        deletedAt: sql`now()`,
      })),
    )
    .onConflictDoNothing()
    .returning({ secretKey: companySecrets.secretKey });
  const made = new Set(inserted.map(({ secretKey }) => secretKey));
  const heads = await statements
    .select(headColumns)
    .from(companySecrets)
    .where(and(eq(companySecrets.companyId, companyId), inArray(companySecrets.secretKey, [...secretKeys])))
    .orderBy(asc(companySecrets.secretKey))
    .for("update");
  return new Map(heads.map((head) => [head.secretKey, { head, made: made.has(head.secretKey) }]));
}

/** The head of a secret that is there, locked. @throws {TenantSecretsError} NOT_FOUND */
export async function lockLiveHead(
  statements: Statements,
  companyId: CompanyId,
  secretKey: string,
): Promise<LiveHead> {
  const head = await lockHead(statements, companyId, secretKey);
  return liveHead(head);
}

/** @throws {TenantSecretsError} NOT_FOUND where the secret is not there, or was removed */
export function liveHead(head: Head | undefined): LiveHead {
  if (head?.currentVersion == null || head.deletedAt !== null) throw notFound();
  return { ...head, currentVersion: head.currentVersion };
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

/** Moves the sealed value of the version that is current until now to that version's own row. @returns the row's id */
export async function keepCurrentVersion(statements: Statements, head: Head): Promise<string | null> {
  if (head.currentVersion === null) return null;
  const [row] = await statements
    .update(companySecretVersions)
    .set({ sealed: head.secretValueEncrypted, companyKeyNo: head.companyKeyNo, replacedAt: head.now })
    .where(ofVersion(head, head.currentVersion))
    .returning({ id: companySecretVersions.id });
  if (row === undefined) throw new Error("every version has a row");
  return row.id;
}

/** What is left of a version whose value is destroyed: who made it, when and why. */
export const destroyed = {
  sealed: null,
  companyKeyNo: null,
  fingerprint: null,
  hint: null,
  destroyedAt: sql`coalesce(${companySecretVersions.destroyedAt}, now())`,
};
