import { randomBytes } from "node:crypto";
import { and, desc, eq, sql } from "drizzle-orm";
import { DatabaseError, tables, type Database, type Statements } from "@repo/db";
import { asTenantSecretsError, type AuditLog } from "@repo/audit-log";
import {
  type CompanyId,
  systemCaller,
  keyDestroyed,
  KeyReplacedError,
  TenantSecretsError,
} from "@repo/catalog";
import {
  type CompanyKey,
  deriveCompanyKey,
  type ExternalWrap,
  integrityFailure,
  isExternalWrap,
  type KeyPlace,
  unwrapExternal,
  unwrapKey,
  wrapKey,
} from "@repo/envelope";
import type { ExternalKeys } from "@repo/external-keys";
import type { CopiedKey, CopyWriter, SignedCopies } from "../../access/signed-copies.ts";
import { ExternalKeyError, LeaseOver } from "../external/external-key-error.ts";
import { externalKeyTtlMs, leased } from "../external/lease.ts";
import { decryptExternally, encryptExternally } from "../external/wrapping.ts";
import type { MasterKeyRing, MasterKeys } from "../master/master-keys.ts";
import { createOpenedKeys, type LoadedKey } from "./opened-keys.ts";

const { companyKeys, companyKeyWraps } = tables;

export interface CompanyKeys {
  /**
   * The active key; created if the company never had one.
   *
   * @throws {TenantSecretsError} as `forDecryption`; INTEGRITY_FAILURE too where the active key is not the newest
   */
  forEncryption(companyId: CompanyId): Promise<CompanyKey>;
  /** All keys that are not destroyed, the active one first. @throws {TenantSecretsError} as `forEncryption` */
  living(companyId: CompanyId): Promise<readonly [CompanyKey, ...CompanyKey[]]>;
  /** As `living`, without older keys that do not decrypt: callers lose access to what is under those. @throws as `living` */
  usable(companyId: CompanyId): Promise<readonly [CompanyKey, ...CompanyKey[]]>;
  /**
   * A key by its version. The parts of a key that an external key has opened throw an `ExternalKeyError` once that is a minute ago.
   *
   * @throws {TenantSecretsError} KEY_DESTROYED, KEY_UNAVAILABLE, INTEGRITY_FAILURE, and the errors of loading master keys
   */
  forDecryption(companyId: CompanyId, keyVersion: number): Promise<CompanyKey>;
  /**
   * The 32 bytes of each key that is not destroyed, to be encrypted to another region. The caller wipes them.
   *
   * @throws {TenantSecretsError} as `living`; CONFLICT where an external key has encrypted one of them
   */
  secrets(companyId: CompanyId): Promise<readonly CopiedKey[]>;
  /**
   * The names of the external keys of all keys that are not destroyed, the active one's first; undefined for a key without one. Asks
   * no external key. Empty if the company never had a key.
   *
   * @throws {TenantSecretsError} as `living`
   */
  externalKeysOf(companyId: CompanyId): Promise<readonly (string | undefined)[]>;
  /**
   * The next key of a company, made and encrypted by the external key that the active one has.
   *
   * @param change another external key; null: none
   * @returns the bytes, which the caller wipes; undefined where no key is active
   * @throws {TenantSecretsError} as `living`
   */
  makeNext(companyId: CompanyId, change?: string | null): Promise<NextKey | undefined>;
  /** Drops the cached keys of one company, or of all. Keys that are being loaded are not cached either. */
  invalidate(companyId?: string): void;
}

/** A key that is not stored yet. */
export interface NextKey {
  readonly keyVersion: number;
  readonly secret: Buffer;
  /** What an external key made of the secret, if there is one. */
  readonly external: ExternalWrap | undefined;
}

const keyMaker = systemCaller("company-keys", { verbs: [], secretKeys: [] });

/** One of a company's keys. Without a wrap where this region has none. */
interface KeyRow extends Pick<typeof companyKeys.$inferSelect, "keyVersion" | "status"> {
  readonly wrap: typeof companyKeyWraps.$inferSelect | null;
}

interface Dependencies {
  readonly database: Database;
  readonly masterKeys: MasterKeys;
  readonly audit: AuditLog;
  readonly signedCopies: Pick<SignedCopies, "during">;
  readonly externalKeys: ExternalKeys;
  /** Default: {@link externalKeyTtlMs} */
  readonly externalTtlMs?: number | undefined;
  /** Called at each call to an external key that fails. */
  readonly onExternalFailure: (companyId: CompanyId, error: ExternalKeyError) => void;
}

export function createCompanyKeys(dependencies: Dependencies): CompanyKeys {
  const { database, masterKeys, audit, signedCopies, externalKeys, onExternalFailure } = dependencies;
  const { externalTtlMs: ttlMs = externalKeyTtlMs } = dependencies;
  const opened = createOpenedKeys();

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

  /** Removes what the master key has encrypted. @returns the 32 bytes, which the caller wipes, or what an external key made of them */
  const unwrap = async (
    companyId: CompanyId,
    keyVersion: number,
    row: KeyRow | undefined,
  ): Promise<Buffer | ExternalWrap> => {
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
    return isExternalWrap(wrapped)
      ? unwrapExternal(wrappingKey, place, wrapped)
      : unwrapKey(wrappingKey, place, wrapped);
  };

  const load = async (companyId: CompanyId, keyVersion: number, row?: KeyRow): Promise<LoadedKey> => {
    const found = row ?? (await selectKeys(companyId, keyVersion))[0];
    const wrap = await unwrap(companyId, keyVersion, found);
    if (Buffer.isBuffer(wrap)) return { key: deriveCompanyKey(wrap, companyId, keyVersion) };
    const ask = (): Promise<Buffer> =>
      decryptExternally(externalKeys, { companyId, keyVersion }, wrap).catch((error: unknown) => {
        if (error instanceof ExternalKeyError) onExternalFailure(companyId, error);
        throw error;
      });
    const askedAt = performance.now();
    const key = deriveCompanyKey(await ask(), companyId, keyVersion);
    const askAgain = async () => void (await ask()).fill(0);
    const lease = leased(key, askAgain, { askedAt, ttlMs });
    return { key: lease.key, lease };
  };

  /** @param row of the key, where the caller has just selected it */
  const open = (companyId: CompanyId, keyVersion: number, row?: KeyRow): Promise<CompanyKey> =>
    opened.open(companyId, keyVersion, () => load(companyId, keyVersion, row));

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
    // Rotations make the newest key the active one. An earlier one that another party makes active again may have a wrap that does
    // not need the company's external key.
    if (rows.some(({ keyVersion }) => keyVersion > (first?.keyVersion ?? 0))) throw integrityFailure();
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

  const externalKeyOf = async (companyId: CompanyId, row: KeyRow): Promise<string | undefined> => {
    const wrap = await unwrap(companyId, row.keyVersion, row);
    if (!Buffer.isBuffer(wrap)) return wrap.externalKey;
    wrap.fill(0);
    return undefined;
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
        for (const row of await findLiving(companyId)) {
          const { keyVersion } = row;
          const secret = await unwrap(companyId, keyVersion, row);
          if (!Buffer.isBuffer(secret)) throw notCopied();
          secrets.push({ companyId, keyVersion, secret });
        }
        return secrets;
      } catch (error) {
        for (const { secret } of secrets) secret.fill(0);
        throw error;
      }
    },
    externalKeysOf: async (companyId) =>
      Promise.all((await findLiving(companyId)).map((row) => externalKeyOf(companyId, row))),
    makeNext: async (companyId, change) => {
      const [active] = await findLiving(companyId);
      if (active === undefined) return undefined;
      const keyVersion = active.keyVersion + 1;
      const externalKey = change === undefined ? await externalKeyOf(companyId, active) : change;
      const secret = randomBytes(32);
      try {
        const external =
          externalKey == null
            ? undefined
            : await encryptExternally(externalKeys, { companyId, keyVersion, externalKey }, secret);
        return { keyVersion, secret, external };
      } catch (error) {
        secret.fill(0);
        throw error;
      }
    },
    invalidate: (companyId) => opened.invalidate(companyId),
  };
}

function notCopied(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "The keys of this company are wrapped by a key of its own, and are not copied to another region.",
  );
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
  // A key that its owner may give again is not one to do without: what is under it is not lost.
  if (error instanceof ExternalKeyError) throw error;
  if (!(error instanceof TenantSecretsError) || !unusable.has(error.code)) throw error;
}

/**
 * Runs `work` with a company's current keys, and again if they were rotated meanwhile: once more after KEY_DESTROYED, which may
 * concern only the old key, and up to {@link mostReplacements} times if the database refuses to encrypt under an inactive key, or
 * the time of an external key's was over.
 *
 * @throws {TenantSecretsError} the last error of `work`
 */
export async function withCurrentKeys<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (thrown) {
      const error = asTenantSecretsError(thrown);
      const replaced =
        (error instanceof KeyReplacedError || error instanceof LeaseOver) && attempt <= mostReplacements;
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

export function placeOf(
  companyId: CompanyId,
  keyVersion: number,
  { region, masterKeyVersion }: { readonly region: string; readonly masterKeyVersion: number },
): KeyPlace {
  return { kind: "company-key", owner: companyId, keyVersion, region, masterKeyVersion };
}
