import { and, asc, eq, getTableColumns, inArray, sql, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { type CompanyId, keyDestroyed, notFound, TenantSecretsError } from "@repo/catalog";
import { type CompanyKey, headMac, type HeadState, headStateOf, isGenuineHead } from "@repo/envelope";
import { HeadChanged, type HeadKeys, type SecretStatements } from "./transaction.ts";

const { companySecrets, companySecretVersions } = tables;

/** The one permanent row of a secret, locked by this transaction, with a MAC that fits. */
export type Head = HeadRow & {
  /** The key of the MAC of its next state. Undefined in a company whose keys were destroyed: its MACs cannot be checked. */
  readonly nextKey?: CompanyKey;
};

export type StoredHead = typeof companySecrets.$inferSelect;
/** A head as {@link headColumns} selects it, before its MAC is checked. */
export type HeadRow = StoredHead & {
  /** When the transaction that selected it began, by the database's clock. */
  readonly now: Date;
};

/** What a statement has to select for a {@link HeadRow}. */
export const headColumns = {
  ...getTableColumns(companySecrets),
  // Rounded as it is where it is stored.
  now: sql<Date>`now()::timestamptz(3)`.mapWith(companySecrets.updatedAt),
};

/** A secret that is there, and so has a current version. */
export type ActiveHead = Head & { readonly currentVersion: number };

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

/** @throws {HeadChanged} */
export async function lockHead(
  statements: SecretStatements,
  companyId: CompanyId,
  secretKey: string,
): Promise<Head | undefined> {
  const [head] = await statements
    .select(headColumns)
    .from(companySecrets)
    .where(ofSecret(companyId, secretKey))
    .for("update");
  return head && genuineHead(statements.headKeys, head);
}

/**
 * @param keys of the head's company, the active one first
 * @throws {HeadChanged}
 * @throws {TenantSecretsError} KEY_DESTROYED where the key of its MAC is not among them: it is newer, or was destroyed
 */
export function genuineHead(keys: HeadKeys | undefined, head: HeadRow): Head {
  if (keys === undefined) return head;
  const key = keys.find(({ keyVersion }) => keyVersion === head.macKeyVersion);
  if (key === undefined) throw keyDestroyed();
  if (!isGenuineHead(key, headStateOf(head), head)) throw new HeadChanged(head.secretKey);
  return { ...head, nextKey: keys[0] };
}

export type HeadChanges = Partial<
  Omit<StoredHead, "companyId" | "secretKey" | "id" | "createdAt" | "updatedAt" | "macKeyVersion" | "mac">
>;

/**
 * Nothing but this and `changeHeads` changes an existing head. A head whose MAC does not fit has no key: it keeps that
 * MAC, and does not become genuine by the change.
 *
 * @param changes columns and their values; `updated_at` and the MAC come by themselves
 */
export async function changeHead(statements: Statements, head: Head, changes: HeadChanges): Promise<void> {
  await statements
    .update(companySecrets)
    .set(withMac(head, changes))
    .where(ofSecret(head.companyId, head.secretKey));
}

/** What is stored of a change of a head. */
export function withMac(head: Head, changes: HeadChanges) {
  const { nextKey, now } = head;
  const beside = nextKey && {
    macKeyVersion: nextKey.keyVersion,
    mac: headMac(nextKey, headStateOf({ ...head, ...changes })),
  };
  return { ...changes, ...beside, updatedAt: now };
}

/** A head, locked. */
export interface LockedHead {
  readonly head: Head;
  /** Whether this transaction made the head. It reads as that of a removed secret. */
  readonly made: boolean;
}

/**
 * The head of a secret, locked; one that is missing is made.
 *
 * @throws {HeadChanged}
 */
export async function lockOrMakeHead(
  statements: SecretStatements,
  companyId: CompanyId,
  secretKey: string,
): Promise<LockedHead> {
  const [key] = statements.headKeys ?? [];
  if (key === undefined) throw keyDestroyed();
  const made = await statements
    .insert(companySecrets)
    .values({
      companyId,
      secretKey,
      lastVersion: 0,
      origin: "written",
      deletedAt: sql`now()`,
      macKeyVersion: key.keyVersion,
      mac: headMac(key, { ...neverHere, companyId, secretKey }),
    })
    .onConflictDoNothing()
    .returning({ secretKey: companySecrets.secretKey });
  const head = await lockHead(statements, companyId, secretKey);
  if (head === undefined) throw new Error("the head of a secret is permanent");
  return { head, made: made.length > 0 };
}

/** The heads of those secrets that were ever here, locked in one order. @throws {HeadChanged} */
export async function lockHeads(
  statements: SecretStatements,
  companyId: CompanyId,
  secretKeys: readonly string[],
): Promise<readonly Head[]> {
  const heads = await statements
    .select(headColumns)
    .from(companySecrets)
    .where(and(eq(companySecrets.companyId, companyId), inArray(companySecrets.secretKey, [...secretKeys])))
    .orderBy(asc(companySecrets.secretKey))
    .for("update");
  return heads.map((head) => genuineHead(statements.headKeys, head));
}

/** Whether a secret that was removed here was written there since, where Infisical has it: see `Lookup`. */
export function canReturn({ deletedAt, origin }: Pick<Head, "deletedAt" | "origin">): boolean {
  return deletedAt !== null && origin === "infisical";
}

/** The state of a head that has just been made: removed, and never there. */
export const neverHere: Omit<HeadState, "companyId" | "secretKey"> = {
  currentVersion: null,
  pendingVersion: null,
  lastVersion: 0,
  origin: "written",
  expiresAtMs: null,
  removed: true,
  recoverUntilMs: null,
  purged: false,
  graceWindows: null,
  canary: null,
};

/** @throws {TenantSecretsError} NOT_FOUND where the secret is not there, or was removed */
export function activeHead(head: Head | undefined): ActiveHead {
  if (head?.currentVersion == null || head.deletedAt !== null) throw notFound();
  return { ...head, currentVersion: head.currentVersion };
}

/**
 * @param head undefined for a secret that was never here
 * @throws {TenantSecretsError} CONFLICT, with the current version, where it is not the expected one
 */
export function expectVersion(head: Head | undefined, expectedVersion: number | undefined): void {
  const currentVersion = head?.deletedAt === null ? (head.currentVersion ?? 0) : 0;
  if (expectedVersion === undefined || expectedVersion === currentVersion) return;
  throw new TenantSecretsError(
    "CONFLICT",
    `The secret is at version ${currentVersion}, not ${expectedVersion}: it has changed. Read it again, then decide.`,
    { currentVersion },
  );
}

/** Moves the encrypted value of the current version from the head to the version's own row. @returns the row's id */
export async function keepCurrentVersion(statements: Statements, head: Head): Promise<string | null> {
  if (head.currentVersion === null) return null;
  const [row] = await statements
    .update(companySecretVersions)
    .set({
      valueEncrypted: head.secretValueEncrypted,
      companyKeyVersion: head.companyKeyVersion,
      replacedAt: head.now,
    })
    .where(ofVersion(head, head.currentVersion))
    .returning({ id: companySecretVersions.id });
  if (row === undefined) throw new Error("every version has a row");
  return row.id;
}

/** The columns of a version whose value is destroyed. Its actor, time and note stay. */
export const destroyed = {
  valueEncrypted: null,
  companyKeyVersion: null,
  fingerprint: null,
  lastFour: null,
  destroyedAt: sql`coalesce(${companySecretVersions.destroyedAt}, now())`,
};
