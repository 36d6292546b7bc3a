import { randomBytes } from "node:crypto";
import { and, desc, eq, sql } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import { DatabaseError, tables, type Database, type Statements } from "@repo/db";
import { asTenantSecretsError, type AuditLog } from "@repo/audit-log";
import {
  type CompanyId,
  systemCaller,
  keyDestroyed,
  KeyReplacedError,
  TenantSecretsError,
} from "@repo/catalog";
import { type CompanyKey, deriveCompanyKey, type KeyPlace, unwrapKey, wrapKey } from "@repo/envelope";
import type { CopiedKey, CopyWriter, SignedCopies } from "../../access/signed-copies.ts";
import type { MasterKeyRing, MasterKeys } from "../master/master-keys.ts";

const { companyKeys, companyKeyWraps } = tables;

export interface CompanyKeys {
  /** The active key; created if the company never had one. @throws {TenantSecretsError} as `forDecryption` */
  forEncryption(companyId: CompanyId): Promise<CompanyKey>;
  /** All keys that are not destroyed, the active one first. @throws {TenantSecretsError} as `forEncryption` */
  living(companyId: CompanyId): Promise<readonly [CompanyKey, ...CompanyKey[]]>;
  /** As `living`, without older keys that do not decrypt: callers lose access to what is under those. @throws as `living` */
  usable(companyId: CompanyId): Promise<readonly [CompanyKey, ...CompanyKey[]]>;
  /**
   * A key by its version.
   *
   * @throws {TenantSecretsError} KEY_DESTROYED, KEY_UNAVAILABLE, INTEGRITY_FAILURE, and the errors of loading master keys
   */
  forDecryption(companyId: CompanyId, keyVersion: number): Promise<CompanyKey>;
  /**
   * The 32 bytes of each key that is not destroyed, to be encrypted to another region. The caller wipes them.
   *
   * @throws {TenantSecretsError} as `living`
   */
  secrets(companyId: CompanyId): Promise<readonly CopiedKey[]>;
  /** Drops the cached keys of one company, or of all. Keys that are being loaded are not cached either. */
  invalidate(companyId?: string): void;
}

/** Milliseconds that a process caches an unwrapped key: the cost of a lost notification. */
export const companyKeysTtlMs = 300_000;

const keyMaker = systemCaller("company-keys", { verbs: [], secretKeys: [] });

type Opened = Map<number, Promise<CompanyKey>>;

/** One of a company's keys. Without a wrap where this region has none. */
interface KeyRow extends Pick<typeof companyKeys.$inferSelect, "keyVersion" | "status"> {
  readonly wrap: typeof companyKeyWraps.$inferSelect | null;
}

interface Dependencies {
  readonly database: Database;
  readonly masterKeys: MasterKeys;
  readonly audit: AuditLog;
  readonly signedCopies: Pick<SignedCopies, "during">;
}

export function createCompanyKeys(dependencies: Dependencies): CompanyKeys {
  const { database, masterKeys, audit, signedCopies } = dependencies;
  const opened = new LRUCache<string, Opened>({ max: 10_000, ttl: companyKeysTtlMs });

  /** Rows of a company's keys, with the wrap under the newest master key of this region first. */
  const selectKeys = (companyId: CompanyId, keyVersion?: number): Promise<readonly KeyRow[]> =>
    database.inCompany(companyId, (statements) =>
      statements
        .select({ keyVersion: companyKeys.keyVersion, status: companyKeys.status, wrap: companyKeyWraps })
        .from(companyKeys)
        .leftJoin(
          companyKeyWraps,
          and(
            eq(companyKeyWraps.companyId, companyKeys.companyId),
            eq(companyKeyWraps.keyVersion, companyKeys.keyVersion),
            eq(companyKeyWraps.region, masterKeys.region),
          ),
        )
        .where(
          and(
            eq(companyKeys.companyId, companyId),
            keyVersion === undefined ? undefined : eq(companyKeys.keyVersion, keyVersion),
          ),
        )
        .orderBy(
          sql`${companyKeys.status} = 'active' desc`,
          desc(companyKeys.keyVersion),
          desc(companyKeyWraps.masterKeyVersion),
        ),
    );

  /** @returns the 32 bytes, which the caller wipes */
  const unwrap = async (
    companyId: CompanyId,
    keyVersion: number,
    row: KeyRow | undefined,
  ): Promise<Buffer> => {
    if (row?.status === "destroyed") throw keyDestroyed();
    if (row?.wrap == null) {
      throw new TenantSecretsError(
        "KEY_UNAVAILABLE",
        `Key ${keyVersion} of this company has no wrap in region ${masterKeys.region}.`,
      );
    }
    const { masterKeyVersion, wrapped } = row.wrap;
    const { wrappingKey } = (await ringWith(masterKeys, masterKeyVersion)).get(masterKeyVersion);
    const place = placeOf(companyId, keyVersion, { region: masterKeys.region, masterKeyVersion });
    return unwrapKey(wrappingKey, place, wrapped);
  };

  /** @param row of the key, where the caller has just selected it */
  const open = (companyId: CompanyId, keyVersion: number, row?: KeyRow): Promise<CompanyKey> => {
    const keys = opened.get(companyId) ?? new Map<number, Promise<CompanyKey>>();
    if (!opened.has(companyId)) opened.set(companyId, keys);
    const load = async () => {
      const found = row ?? (await selectKeys(companyId, keyVersion))[0];
      return deriveCompanyKey(await unwrap(companyId, keyVersion, found), companyId, keyVersion);
    };
    const loading = keys.get(keyVersion) ?? load();
    keys.set(keyVersion, loading);
    loading.catch(() => keys.delete(keyVersion));
    return loading;
  };

  /** The first commit wins; the random bytes of the others are discarded. */
  const makeFirst = async (companyId: CompanyId, { active }: MasterKeyRing): Promise<void> => {
    await audit.ready();
    const secret = randomBytes(32);
    const wrapped = wrapKey(
      active.wrappingKey,
      placeOf(companyId, 1, { region: active.region, masterKeyVersion: active.version }),
      secret,
    );
    const insert = async (statements: Statements, copies: CopyWriter): Promise<void> => {
      const made = await statements
        .insert(companyKeys)
        .values({ companyId, keyVersion: 1, status: "active" })
        .onConflictDoNothing()
        .returning({ keyVersion: companyKeys.keyVersion });
      if (made.length === 0) return;
      await statements.insert(companyKeyWraps).values({
        companyId,
        keyVersion: 1,
        region: active.region,
        masterKeyVersion: active.version,
        wrapped,
      });
      await copies.key({ companyId, keyVersion: 1, secret });
      await audit.recordInTransaction(statements, keyMaker, {
        action: "key.create",
        outcome: "success",
        companyId,
        version: 1,
      });
    };
    try {
      await signedCopies.during((copiesIn) =>
        database.inCompany(companyId, (statements) => insert(statements, copiesIn(statements))),
      );
    } finally {
      secret.fill(0);
    }
  };

  /** The keys that are not destroyed, the active one first. Empty if the company never had a key. */
  const findLiving = async (companyId: CompanyId): Promise<readonly KeyRow[]> => {
    const rows = await selectKeys(companyId);
    const [first] = rows;
    if (first !== undefined && first.status !== "active") throw keyDestroyed();
    return rows.filter(
      ({ keyVersion, status }, i) => status !== "destroyed" && rows[i - 1]?.keyVersion !== keyVersion,
    );
  };

  const findOrMake = async (companyId: CompanyId): Promise<readonly [KeyRow, ...KeyRow[]]> => {
    const found = await findLiving(companyId);
    if (found.length === 0) await wrapping(masterKeys, (ring) => makeFirst(companyId, ring));
    const [active, ...older] = found.length === 0 ? await findLiving(companyId) : found;
    if (active === undefined) throw new Error("a company has the key that was made for it");
    return [active, ...older];
  };

  const openRow = (companyId: CompanyId, row: KeyRow): Promise<CompanyKey> =>
    open(companyId, row.keyVersion, row);

  const unwrapLiving = async (
    companyId: CompanyId,
    leaveOut: (error: unknown) => undefined,
  ): Promise<[CompanyKey, ...CompanyKey[]]> => {
    const [active, ...older] = await findOrMake(companyId);
    const keys = await Promise.all(older.map((row) => openRow(companyId, row).catch(leaveOut)));
    return [await openRow(companyId, active), ...keys.filter((key) => key !== undefined)];
  };

  return {
    forDecryption: (companyId, keyVersion) => open(companyId, keyVersion),
    forEncryption: async (companyId) => openRow(companyId, (await findOrMake(companyId))[0]),
    living: (companyId) => unwrapLiving(companyId, ifDestroyed),
    usable: (companyId) => unwrapLiving(companyId, ifUnusable),
    secrets: async (companyId) => {
      const secrets: CopiedKey[] = [];
      try {
        for (const row of await findLiving(companyId))
          secrets.push({
            companyId,
            keyVersion: row.keyVersion,
            secret: await unwrap(companyId, row.keyVersion, row),
          });
        return secrets;
      } catch (error) {
        for (const { secret } of secrets) secret.fill(0);
        throw error;
      }
    },
    invalidate: (companyId) => {
      if (companyId === undefined) opened.clear();
      else opened.delete(companyId);
    },
  };
}

/** Ignores a key that was destroyed since it was selected. */
export function ifDestroyed(error: unknown): undefined {
  if (!(error instanceof TenantSecretsError) || error.code !== "KEY_DESTROYED") throw error;
}

const unusable: ReadonlySet<TenantSecretsError["code"]> = new Set([
  "KEY_DESTROYED",
  "KEY_UNAVAILABLE",
  "INTEGRITY_FAILURE",
]);

function ifUnusable(error: unknown): undefined {
  if (!(error instanceof TenantSecretsError) || !unusable.has(error.code)) throw error;
}

/**
 * Runs `work` with a company's current keys, and again if they were rotated meanwhile: once more after KEY_DESTROYED, which may
 * concern only the old key, and up to {@link mostReplacements} times if the database refuses to encrypt under an inactive key.
 *
 * @throws {TenantSecretsError} the last error of `work`
 */
export async function withCurrentKeys<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (thrown) {
      const error = asTenantSecretsError(thrown);
      const replaced = error instanceof KeyReplacedError && attempt <= mostReplacements;
      const destroyed = error.code === "KEY_DESTROYED" && attempt === 1;
      if (!replaced && !destroyed) throw error;
    }
  }
}

/** Retries. A write meets at most one rotation while it waits for its lock; more in a row are a bug. */
const mostReplacements = 5;

/** PostgreSQL's object_not_in_prerequisite_state: the wrapping key is no longer active. */
const notActive = "55000";

/** Wraps under the active master key; once more under the reloaded ring if the active key has changed. */
export async function wrapping<T>(
  masterKeys: MasterKeys,
  work: (ring: MasterKeyRing) => Promise<T>,
): Promise<T> {
  try {
    return await work(await masterKeys.load());
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== notActive) throw error;
    return work(await masterKeys.refresh());
  }
}

/** A ring that contains a version: refreshed if the cached ring lacks it. */
export async function ringWith(masterKeys: MasterKeys, version: number): Promise<MasterKeyRing> {
  const ring = await masterKeys.load();
  return ring.versions.includes(version) ? ring : masterKeys.refresh();
}

function placeOf(
  companyId: CompanyId,
  keyVersion: number,
  { region, masterKeyVersion }: { readonly region: string; readonly masterKeyVersion: number },
): KeyPlace {
  return { kind: "company-key", owner: companyId, keyVersion, region, masterKeyVersion };
}
