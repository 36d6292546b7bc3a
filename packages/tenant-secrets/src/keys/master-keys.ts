import { asc, sql } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import { onDatabase } from "../access/database-errors.ts";
import { sameCheckValue, type MasterKey } from "../crypto/derivation.ts";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import { derivationFor, isKeyOf, readMasterKey } from "./master-key-text.ts";
import { onInfisical } from "./on-infisical.ts";

/** Where in Infisical the master keys are. */
export const masterKeyFolder = "/hono-api";

export type MasterKeyRow = typeof tables.masterKeys.$inferSelect;

export interface MasterKeys {
  readonly region: string;
  /**
   * The keys that the registry names, loaded once. Callers at the same time share one load, and a failed one is
   * forgotten.
   *
   * @throws {TenantSecretsError} KEY_UNAVAILABLE where Infisical cannot be asked, MASTER_KEY_MISSING,
   *   MASTER_KEY_MALFORMED or MASTER_KEY_WRONG where what it has will not do
   */
  load(): Promise<MasterKeyRing>;
  /**
   * Loads them anew. Callers during a refresh wait for one that begins after it, so that what they know of is in it.
   * The keys that were loaded stay in use when this fails.
   *
   * @throws {TenantSecretsError} as `load`
   */
  refresh(): Promise<MasterKeyRing>;
}

export interface MasterKeyRing {
  /** The key that wraps now. */
  readonly active: MasterKey;
  /** Every version that is loaded, those included that nothing is wrapped under yet. */
  readonly versions: readonly number[];
  /** The key of a version that something is wrapped under. @throws {TenantSecretsError} KEY_UNAVAILABLE */
  get(version: number): MasterKey;
}

/** @param region the part of the key's name; "default" is the strategy's own name, MASTER_ENCRYPTION_KEY */
export function createMasterKeys(database: Database, infisical: InfisicalClient, region: string): MasterKeys {
  let ring: Promise<MasterKeyRing> | undefined;
  let refreshing: Promise<MasterKeyRing> | undefined;
  let next: Promise<MasterKeyRing> | undefined;

  const read = async (): Promise<MasterKeyRing> => {
    const texts = await readKeyTexts(infisical, region);
    const registered = await readRegistry(database);
    const own = registered.filter((row) => row.region === region);
    if (own.length > 0) return ringOf(own, texts, region);
    const [other] = registered;
    if (other === undefined) return ringOf(await registerFirst(database, texts, region), texts, region);
    throw new TenantSecretsError(
      "MASTER_KEY_WRONG",
      `This database was set up for region ${other.region} and has no master key of region ${region}: check MASTER_KEY_REGION.`,
    );
  };

  const refresh = (): Promise<MasterKeyRing> => {
    if (refreshing !== undefined) {
      // What is being read may be older than what the caller knows of, so one more reading serves all that wait.
      next ??= refreshing.then(refresh, refresh);
      return next;
    }
    next = undefined;
    refreshing = read().finally(() => (refreshing = undefined));
    return refreshing.then((loaded) => {
      ring = Promise.resolve(loaded);
      return loaded;
    });
  };

  return {
    region,
    refresh,
    load: () => {
      ring ??= read().catch((error: unknown) => {
        ring = undefined;
        throw error;
      });
      return ring;
    },
  };
}

/** The name of a master key in Infisical. */
export function masterKeyName(region: string, version: number): string {
  if (region !== "default")
    return `MASTER_ENCRYPTION_KEY_${region.toUpperCase().replaceAll("-", "_")}_V${version}`;
  return version === 1 ? "MASTER_ENCRYPTION_KEY" : `MASTER_ENCRYPTION_KEY_V${version}`;
}

/** The registry: every master key of every region that this database has ever known. */
export function readRegistry(database: Database): Promise<MasterKeyRow[]> {
  return onDatabase(() =>
    database.acrossCompanies((statements) =>
      statements
        .select()
        .from(tables.masterKeys)
        .orderBy(asc(tables.masterKeys.region), asc(tables.masterKeys.version)),
    ),
  );
}

/** Asks Infisical about master keys. @throws {TenantSecretsError} KEY_UNAVAILABLE */
export function askInfisical<T>(region: string, work: () => Promise<T>): Promise<T> {
  return onInfisical(
    work,
    "KEY_UNAVAILABLE",
    (answer) =>
      `The master key of region ${region} is out of reach: Infisical answered ${answer}. Check that it is up, and the INFISICAL_… settings.`,
  );
}

async function readKeyTexts(
  infisical: InfisicalClient,
  region: string,
): Promise<ReadonlyMap<string, string>> {
  const secrets = await askInfisical(region, () => infisical.listSecrets(masterKeyFolder));
  return new Map(secrets.map(({ secretKey, value }) => [secretKey, value]));
}

/** On the very first start: whatever Infisical has as version 1 becomes the key that all others are held to. */
async function registerFirst(
  database: Database,
  texts: ReadonlyMap<string, string>,
  region: string,
): Promise<MasterKeyRow[]> {
  const text = textOf(texts, region, 1);
  const derivation = derivationFor(text);
  const { checkValue } = await readMasterKey(text, region, 1, derivation);
  await onDatabase(() =>
    database.acrossCompanies((statements) =>
      statements
        .insert(tables.masterKeys)
        .values({
          region,
          version: 1,
          status: "active",
          ...derivation,
          checkValue,
          activatedAt: sql`now()`,
        })
        .onConflictDoNothing(),
    ),
  );
  return (await readRegistry(database)).filter((row) => row.region === region);
}

async function ringOf(
  rows: readonly MasterKeyRow[],
  texts: ReadonlyMap<string, string>,
  region: string,
): Promise<MasterKeyRing> {
  const keys = new Map<number, MasterKey>();
  let active: MasterKey | undefined;
  for (const row of rows) {
    if (row.status === "retired" || row.status === "destroyed") continue;
    if (row.status === "pending" && !(await isThere(texts, row))) continue;
    const key = await readMasterKey(textOf(texts, region, row.version), region, row.version, row);
    if (!sameCheckValue(key.checkValue, row.checkValue)) {
      throw new TenantSecretsError(
        "MASTER_KEY_WRONG",
        `${masterKeyName(region, row.version)} in Infisical is a valid key, but not the one that this database was sealed with (version ${row.version}, region ${region}). Put the right one back.`,
      );
    }
    keys.set(row.version, key);
    if (row.status === "active") active = key;
  }
  if (active === undefined) {
    throw new TenantSecretsError(
      "MASTER_KEY_MISSING",
      `The registry has no active master key in region ${region}.`,
    );
  }
  return {
    active,
    versions: [...keys.keys()],
    get: (version) => {
      const key = keys.get(version);
      if (key !== undefined) return key;
      throw new TenantSecretsError(
        "KEY_UNAVAILABLE",
        `Something is wrapped under version ${version} of the master key of region ${region}, which is not loaded.`,
      );
    },
  };
}

/**
 * Whether a pending key can be loaded. It is registered before it is put into Infisical, and nothing is wrapped under it: a
 * process goes on without, and the rotation waits for it.
 */
async function isThere(texts: ReadonlyMap<string, string>, row: MasterKeyRow): Promise<boolean> {
  const text = texts.get(masterKeyName(row.region, row.version));
  return text !== undefined && isKeyOf(text, row.region, row);
}

function textOf(texts: ReadonlyMap<string, string>, region: string, version: number): string {
  const name = masterKeyName(region, version);
  const text = texts.get(name);
  if (text !== undefined) return text;
  throw new TenantSecretsError(
    "MASTER_KEY_MISSING",
    `${name} is not in the folder ${masterKeyFolder} of this environment in Infisical. Put there what this prints: openssl rand -hex 32`,
  );
}
