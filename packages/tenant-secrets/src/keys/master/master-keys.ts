import { asc, sql } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import { TenantSecretsError } from "@repo/catalog";
import { type MasterKey, sameBytes } from "@repo/envelope";
import { derivationFor, isKeyOf, readMasterKey } from "./master-key-text.ts";
import { fingerprintOf, firstKeyMissing, knownKeyMissing, knownKeyWrong } from "./master-key-advice.ts";
import { isMasterKeyName, masterKeyFolder, masterKeyName } from "./master-key-name.ts";
import { mapInfisicalErrors } from "../on-infisical.ts";

type Place = InfisicalClient["place"];

export type MasterKeyRow = typeof tables.masterKeys.$inferSelect;

export interface MasterKeys {
  readonly region: string;
  /**
   * The registered keys, loaded once. Concurrent callers share one load, and a failed one is not cached.
   *
   * @throws {TenantSecretsError} KEY_UNAVAILABLE if Infisical is unavailable; MASTER_KEY_MISSING, MASTER_KEY_MALFORMED or
   *   MASTER_KEY_WRONG if a key in it is unusable
   */
  load(): Promise<MasterKeyRing>;
  /**
   * Reloads the keys. Callers during a refresh wait for one that starts after their call, so that it sees every change they
   * know of. The loaded keys stay in use if it fails.
   *
   * @throws {TenantSecretsError} as `load`
   */
  refresh(): Promise<MasterKeyRing>;
}

export interface MasterKeyRing {
  /** The active key, which wraps. */
  readonly active: MasterKey;
  /** Every loaded version, including those without wraps yet. */
  readonly versions: readonly number[];
  /** The key of a version that wraps something. @throws {TenantSecretsError} KEY_UNAVAILABLE */
  get(version: number): MasterKey;
}

/** @param region the part of the key's name; "default" stands for the strategy's own name, MASTER_ENCRYPTION_KEY */
export function createMasterKeys(database: Database, infisical: InfisicalClient, region: string): MasterKeys {
  const { place } = infisical;
  let ring: Promise<MasterKeyRing> | undefined;
  let refreshing: Promise<MasterKeyRing> | undefined;
  let next: Promise<MasterKeyRing> | undefined;

  const read = async (): Promise<MasterKeyRing> => {
    const texts = await readKeyTexts(infisical, region);
    const registered = await readRegistry(database);
    const own = registered.filter((row) => row.region === region);
    if (own.length > 0) return ringOf(own, texts, { place, region });
    const [other] = registered;
    if (other === undefined)
      return ringOf(await registerFirst(database, texts, { place, region }), texts, { place, region });
    throw new TenantSecretsError(
      "MASTER_KEY_WRONG",
      `This database was set up for region ${other.region} and has no master key of region ${region}: check MASTER_KEY_REGION.`,
    );
  };

  const refresh = (): Promise<MasterKeyRing> => {
    if (refreshing !== undefined) {
      // A refresh in progress may have read before a change that the caller knows of, so one further refresh serves all waiting
      // callers.
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

/** The registry: every master key of every region that this database has had. */
export function readRegistry(database: Database): Promise<MasterKeyRow[]> {
  return database.acrossCompanies((statements) =>
    statements
      .select()
      .from(tables.masterKeys)
      .orderBy(asc(tables.masterKeys.region), asc(tables.masterKeys.version)),
  );
}

/** Calls Infisical about master keys. @throws {TenantSecretsError} KEY_UNAVAILABLE */
export function askInfisical<T>(region: string, work: () => Promise<T>): Promise<T> {
  return mapInfisicalErrors(
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

/** On the first start, registers the key that Infisical has as version 1; later starts are checked against it. */
async function registerFirst(
  database: Database,
  texts: ReadonlyMap<string, string>,
  { place, region }: { readonly place: Place; readonly region: string },
): Promise<MasterKeyRow[]> {
  const text = texts.get(masterKeyName(region, 1));
  if (text === undefined) throw firstKeyMissing(place, region, [...texts.keys()].filter(isMasterKeyName));
  const derivation = derivationFor(text);
  const { checkValue } = await readMasterKey(text, { region, version: 1 }, derivation);
  await database.acrossCompanies((statements) =>
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
  );
  return (await readRegistry(database)).filter((row) => row.region === region);
}

async function ringOf(
  rows: readonly MasterKeyRow[],
  texts: ReadonlyMap<string, string>,
  { place, region }: { readonly place: Place; readonly region: string },
): Promise<MasterKeyRing> {
  const keys = new Map<number, MasterKey>();
  let active: MasterKey | undefined;
  for (const row of rows) {
    if (row.status === "retired" || row.status === "destroyed") continue;
    if (row.status === "pending" && !(await isThere(texts, row))) continue;
    const key = await readKnown(texts, place, row);
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
 * Whether a pending key can be loaded. It is registered before it is put into Infisical, and wraps nothing yet: a process
 * continues without it, and the rotation waits for the process.
 */
async function isThere(texts: ReadonlyMap<string, string>, row: MasterKeyRow): Promise<boolean> {
  const text = texts.get(masterKeyName(row.region, row.version));
  return text !== undefined && isKeyOf(text, row.region, row);
}

/** @throws {TenantSecretsError} MASTER_KEY_MISSING, MASTER_KEY_MALFORMED, MASTER_KEY_WRONG */
async function readKnown(
  texts: ReadonlyMap<string, string>,
  place: Place,
  row: MasterKeyRow,
): Promise<MasterKey> {
  const { region, version } = row;
  const text = texts.get(masterKeyName(region, version));
  if (text === undefined) throw knownKeyMissing(place, row);
  const key = await readMasterKey(text, { region, version }, row).catch((error: unknown) => {
    if (!(error instanceof TenantSecretsError) || error.code !== "MASTER_KEY_MALFORMED") throw error;
    throw knownKeyWrong("MASTER_KEY_MALFORMED", "is no master key", { place, known: row });
  });
  if (sameBytes(key.checkValue, row.checkValue)) return key;
  const what = `is a valid key, but not the one that this database was sealed with: its fingerprint is ${fingerprintOf(key)}`;
  throw knownKeyWrong("MASTER_KEY_WRONG", what, { place, known: row });
}
