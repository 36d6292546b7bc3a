import { randomBytes } from "node:crypto";
import { and, desc, eq, sql } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import { DatabaseError, tables, type Database } from "@repo/db";
import { asTenantSecretsError, type AuditLog } from "@repo/audit-log";
import {
  type CompanyId,
  systemCaller,
  keyDestroyed,
  KeyReplacedError,
  TenantSecretsError,
} from "@repo/catalog";
import { type CompanyKey, deriveCompanyKey, type KeyPlace, unwrapKey, wrapKey } from "@repo/envelope";
import type { MasterKeyRing, MasterKeys } from "../master/master-keys.ts";

const { companyKeys, companyKeyWraps } = tables;

export interface CompanyKeys {
  /** The key that seals now; made where the company never had one. @throws {TenantSecretsError} as `forDecryption` */
  forEncryption(companyId: CompanyId): Promise<CompanyKey>;
  /** Every key that is not destroyed, the one that seals now first. @throws {TenantSecretsError} as `forEncryption` */
  living(companyId: CompanyId): Promise<readonly [CompanyKey, ...CompanyKey[]]>;
  /** As `living`, without the older ones that do not open: what is under these is lost to whoever does without. @throws as `living` */
  usable(companyId: CompanyId): Promise<readonly [CompanyKey, ...CompanyKey[]]>;
  /**
   * The key of a number that something is sealed under.
   *
   * @throws {TenantSecretsError} KEY_DESTROYED, KEY_UNAVAILABLE, INTEGRITY_FAILURE, and what loading master keys throws
   */
  forDecryption(companyId: CompanyId, keyVersion: number): Promise<CompanyKey>;
  /** Forgets the keys of one company, or of all. What is being loaded is not kept either. */
  invalidate(companyId?: string): void;
}

/** How long a process keeps an opened key at most: what a lost notification costs. */
export const companyKeysTtlMs = 300_000;

const keyMaker = systemCaller("company-keys", { verbs: [], secretKeys: [] });

type Opened = Map<number, Promise<CompanyKey>>;

export function createCompanyKeys(database: Database, masterKeys: MasterKeys, audit: AuditLog): CompanyKeys {
  const opened = new LRUCache<string, Opened>({ max: 10_000, ttl: companyKeysTtlMs });

  const unwrap = async (companyId: CompanyId, keyVersion: number): Promise<CompanyKey> => {
    const [wrap] = await database.inCompany(companyId, (statements) =>
      statements
        .select({ status: companyKeys.status, wrap: companyKeyWraps })
        .from(companyKeys)
        .leftJoin(
          companyKeyWraps,
          and(
            eq(companyKeyWraps.companyId, companyKeys.companyId),
            eq(companyKeyWraps.keyVersion, companyKeys.keyVersion),
            eq(companyKeyWraps.region, masterKeys.region),
          ),
        )
        .where(and(eq(companyKeys.companyId, companyId), eq(companyKeys.keyVersion, keyVersion)))
        .orderBy(desc(companyKeyWraps.masterKeyVersion))
        .limit(1),
    );
    if (wrap?.status === "destroyed") throw keyDestroyed();
    if (wrap?.wrap == null) {
      throw new TenantSecretsError(
        "KEY_UNAVAILABLE",
        `Key ${keyVersion} of this company has no wrap in region ${masterKeys.region}.`,
      );
    }
    const { masterKeyVersion, wrapped } = wrap.wrap;
    const { wrappingKey } = (await ringWith(masterKeys, masterKeyVersion)).get(masterKeyVersion);
    const place = placeOf(companyId, keyVersion, { region: masterKeys.region, masterKeyVersion });
    return deriveCompanyKey(unwrapKey(wrappingKey, place, wrapped), companyId, keyVersion);
  };

  const forDecryption = (companyId: CompanyId, keyVersion: number): Promise<CompanyKey> => {
    const keys = opened.get(companyId) ?? new Map<number, Promise<CompanyKey>>();
    if (!opened.has(companyId)) opened.set(companyId, keys);
    const loading = keys.get(keyVersion) ?? unwrap(companyId, keyVersion);
    keys.set(keyVersion, loading);
    loading.catch(() => keys.delete(keyVersion));
    return loading;
  };

  /** Whoever commits first has made it; everybody else's random bytes are forgotten. */
  const makeFirst = async (companyId: CompanyId, { active }: MasterKeyRing): Promise<void> => {
    await audit.ready();
    const secret = randomBytes(32);
    const wrapped = wrapKey(
      active.wrappingKey,
      placeOf(companyId, 1, { region: active.region, masterKeyVersion: active.version }),
      secret,
    );
    secret.fill(0);
    await database.inCompany(companyId, async (statements) => {
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
      await audit.recordInTransaction(statements, keyMaker, {
        action: "key.create",
        outcome: "success",
        companyId,
        version: 1,
      });
    });
  };

  /** The numbers of the keys that are not destroyed, the active one first. None where the company never had a key. */
  const findLivingKeyVersions = async (companyId: CompanyId): Promise<number[]> => {
    const rows = await database.inCompany(companyId, (statements) =>
      statements
        .select({ keyVersion: companyKeys.keyVersion, status: companyKeys.status })
        .from(companyKeys)
        .where(eq(companyKeys.companyId, companyId))
        .orderBy(sql`${companyKeys.status} = 'active' desc`, desc(companyKeys.keyVersion)),
    );
    const [first] = rows;
    if (first !== undefined && first.status !== "active") throw keyDestroyed();
    return rows.filter(({ status }) => status !== "destroyed").map(({ keyVersion }) => keyVersion);
  };

  const findOrMakeKeyVersions = async (companyId: CompanyId): Promise<readonly [number, ...number[]]> => {
    const [keyVersion, ...older] = await findLivingKeyVersions(companyId);
    if (keyVersion !== undefined) return [keyVersion, ...older];
    await wrapping(masterKeys, (ring) => makeFirst(companyId, ring));
    return [1];
  };

  const unwrapLiving = async (
    companyId: CompanyId,
    leaveOut: (error: unknown) => undefined,
  ): Promise<[CompanyKey, ...CompanyKey[]]> => {
    const [keyVersion, ...older] = await findOrMakeKeyVersions(companyId);
    const keys = await Promise.all(older.map((old) => forDecryption(companyId, old).catch(leaveOut)));
    return [await forDecryption(companyId, keyVersion), ...keys.filter((key) => key !== undefined)];
  };

  return {
    forDecryption,
    forEncryption: async (companyId) => {
      const [keyVersion] = await findOrMakeKeyVersions(companyId);
      return forDecryption(companyId, keyVersion);
    },
    living: (companyId) => unwrapLiving(companyId, ifDestroyed),
    usable: (companyId) => unwrapLiving(companyId, ifUnusable),
    invalidate: (companyId) => {
      if (companyId === undefined) opened.clear();
      else opened.delete(companyId);
    },
  };
}

/** One that was destroyed since it was found is none. */
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
 * Does something with a company's keys, and again with those of now where they were replaced meanwhile: once more after
 * KEY_DESTROYED, which may be said of the old key or of all, and up to {@link mostReplacements} times where the database
 * refuses to seal under a key that is not active.
 *
 * @throws {TenantSecretsError} what `work` throws at last
 */
export async function withKeysOfNow<T>(work: () => Promise<T>): Promise<T> {
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

/** A write meets one replacement at most while it waits for its turn; more in a row is somebody's endless loop. */
const mostReplacements = 5;

/** PostgreSQL's object_not_in_prerequisite_state: the key that would wrap is not the active one any more. */
const notActive = "55000";

/** Wraps under the active master key; once more with what the registry says now, when that has changed meanwhile. */
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

/** A ring that has a version, read anew where the one at hand is older than the version. */
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
