import { and, asc, eq, getTableColumns, inArray, sql, type SQL } from "drizzle-orm";
import { setTimeout as sleep } from "node:timers/promises";
import { tables, type Database, type Statements } from "@repo/db";
import { type AuditLog, onDatabase } from "@repo/audit-log";
import { type CompanyId, keyDestroyed, notFound, TenantSecretsError } from "@repo/catalog";
import {
  type CompanyKey,
  headMac,
  type HeadState,
  headStateOf,
  integrityFailure,
  isGenuineHead,
} from "@repo/envelope";
import type { RaiseAlarm } from "../../access/alarms.ts";
import type { Company } from "../../companies/companies.ts";
import { ifDestroyed, withKeysOfNow, type CompanyKeys } from "../../keys/company/company-keys.ts";
import { enterCompany, StoreHeld } from "../../keys/company/company-lock.ts";

const { companySecrets, companySecretVersions } = tables;

/** What the parts of the database store work with. */
export interface DatabaseParts {
  readonly database: Database;
  readonly companyKeys: CompanyKeys;
  readonly audit: AuditLog;
  /** Told of a head that another party has changed. */
  readonly onAlarm: RaiseAlarm;
}

/** A transaction that changes secrets of one company, with the keys of its heads' MACs. */
export interface SecretStatements extends Statements {
  /** The company's keys that are not destroyed, the active one first; undefined where all are, and no MAC can be checked. */
  readonly headKeys: HeadKeys | undefined;
}

export type HeadKeys = readonly [CompanyKey, ...CompanyKey[]];

/** How long a write waits at most while the company's store is being changed. The change itself may take 8 s. */
const longestHoldMs = 10_000;

export interface InCompanyOptions {
  /** Whether to wait while the company's store is being changed. Default: true */
  readonly waits?: boolean | undefined;
  /** The company's keys that are not destroyed, the active one first, for whoever has them. */
  readonly keys?: HeadKeys | undefined;
}

/**
 * A transaction that changes secrets of a company, in its scope, and can put its event into the record. `work` is done again
 * where it was done in vain.
 *
 * @throws {StoreChanged} where the company's secrets live somewhere else since it was entered
 * @throws {TenantSecretsError} STORE_UNAVAILABLE where that is being changed for longer than one waits; INTEGRITY_FAILURE where
 *   another party has changed the head of a secret, which is an alarm
 */
export async function inCompany<T>(
  parts: DatabaseParts,
  company: Company,
  work: (statements: SecretStatements) => Promise<T>,
  options: InCompanyOptions = {},
): Promise<T> {
  const { companyKeys, onAlarm } = parts;
  const attempt = (headKeys: SecretStatements["headKeys"]): Promise<T> =>
    inEnteredCompany(parts, company, (statements) => work(Object.assign(statements, { headKeys })), options);
  try {
    // Whoever brings the keys begins again with others by themselves.
    if (options.keys !== undefined) return await attempt(options.keys);
    return await withKeysOfNow(async () => attempt(await companyKeys.usable(company.id).catch(ifDestroyed)));
  } catch (error) {
    if (error instanceof HeadChanged) onAlarm(error.alarm(company.id));
    throw error;
  }
}

/** As {@link inCompany}, of what locks no head of a secret: no key is loaded for it. @throws as it does */
export async function inEnteredCompany<T>(
  { database, audit }: DatabaseParts,
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

/** The one permanent row of a secret, locked by whoever holds one of these, and found to be genuine. */
export type Head = HeadRow & {
  /** What the MAC of its next state is under. None in a company whose keys were destroyed: its MACs are checked by nobody. */
  readonly nextKey?: CompanyKey;
};

type StoredHead = typeof companySecrets.$inferSelect;
/** A head as {@link headColumns} selects it, of which nothing is known yet. */
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
  const key = keys.find(({ no }) => no === head.macKeyNo);
  if (key === undefined) throw keyDestroyed();
  if (!isGenuineHead(key, headStateOf(head), head)) throw new HeadChanged(head.secretKey);
  return { ...head, nextKey: keys[0] };
}

/** The head of a secret is not as one of our processes wrote it. */
export class HeadChanged extends TenantSecretsError {
  readonly secretKey: string;

  constructor(secretKey: string) {
    const { code, message } = integrityFailure();
    super(code, message);
    this.secretKey = secretKey;
  }

  /** What an operator has to be told. */
  alarm(companyId: string): TenantSecretsError {
    return new TenantSecretsError(
      "INTEGRITY_FAILURE",
      `The head of ${this.secretKey} of company ${companyId}, which says what is current, was not written by this deployment, or was changed since: it is neither read nor written. Look for who writes to the database; \`audit verify\` names every such head.`,
    );
  }
}

export type HeadChanges = Partial<
  Omit<StoredHead, "companyId" | "secretKey" | "id" | "createdAt" | "updatedAt" | "macKeyNo" | "mac">
>;

/**
 * The one way in which a head that is there changes. One that is not genuine has no key and keeps its MAC, so that it does
 * not become genuine by that.
 *
 * @param changes columns and their values; `updated_at` and the MAC come by themselves
 */
export async function changeHead(statements: Statements, head: Head, changes: HeadChanges): Promise<void> {
  const { nextKey, now } = head;
  const beside = nextKey && {
    macKeyNo: nextKey.no,
    mac: headMac(nextKey, headStateOf({ ...head, ...changes })),
  };
  await statements
    .update(companySecrets)
    .set({ ...changes, ...beside, updatedAt: now })
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
 *
 * @throws {HeadChanged}
 */
export async function lockOrMakeHeads(
  statements: SecretStatements,
  companyId: CompanyId,
  secretKeys: readonly string[],
): Promise<ReadonlyMap<string, LockedHead>> {
  const [key] = statements.headKeys ?? [];
  if (key === undefined) throw keyDestroyed();
  const inserted = await statements
    .insert(companySecrets)
    .values(
      secretKeys.toSorted().map((secretKey) => ({
        companyId,
        secretKey,
        lastVersion: 0,
        origin: "written" as const,
        deletedAt: sql`now()`,
        macKeyNo: key.no,
        mac: headMac(key, { ...neverHere, companyId, secretKey }),
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
  return new Map(
    heads.map((head) => [
      head.secretKey,
      { head: genuineHead(statements.headKeys, head), made: made.has(head.secretKey) },
    ]),
  );
}

/** The state of a head that has just been made: removed, and never there. */
const neverHere: Omit<HeadState, "companyId" | "secretKey"> = {
  currentVersion: null,
  pendingVersion: null,
  lastVersion: 0,
  origin: "written",
  expiresAtMs: null,
  removed: true,
  recoverUntilMs: null,
  purged: false,
  graceWindows: null,
};

/** The head of a secret that is there, locked. @throws {TenantSecretsError} NOT_FOUND */
export async function lockLiveHead(
  statements: SecretStatements,
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
