import { asc, sql } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import { InfisicalError, type InfisicalClient } from "@repo/infisical";
import { onDatabase } from "../access/database-errors.ts";
import { deriveMasterKey, sameCheckValue, type MasterKey } from "../crypto/derivation.ts";
import { TenantSecretsError } from "../vocabulary/errors.ts";

/** Where in Infisical the master keys are. */
const masterKeyFolder = "/hono-api";

export interface MasterKeys {
  readonly region: string;
  /**
   * Loads the keys that the registry names, unless that is done. Callers at the same time share one load, and a
   * failed one is forgotten.
   *
   * @throws {TenantSecretsError} KEY_UNAVAILABLE where Infisical cannot be asked, MASTER_KEY_MISSING,
   *   MASTER_KEY_MALFORMED or MASTER_KEY_WRONG where what it has will not do
   */
  load(): Promise<MasterKeyRing>;
}

export interface MasterKeyRing {
  /** The key that wraps now. */
  readonly active: MasterKey;
  /** The key of a version that something is wrapped under. @throws {TenantSecretsError} KEY_UNAVAILABLE */
  get(version: number): MasterKey;
}

type RegistryRow = typeof tables.masterKeys.$inferSelect;

/** @param region the part of the key's name; "default" is the strategy's own name, MASTER_ENCRYPTION_KEY */
export function createMasterKeys(database: Database, infisical: InfisicalClient, region: string): MasterKeys {
  let loading: Promise<MasterKeyRing> | undefined;
  const load = async (): Promise<MasterKeyRing> => {
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
  return {
    region,
    load: () => {
      loading ??= load().catch((error: unknown) => {
        loading = undefined;
        throw error;
      });
      return loading;
    },
  };
}

/** The name of a master key in Infisical. */
function masterKeyName(region: string, version: number): string {
  if (region !== "default")
    return `MASTER_ENCRYPTION_KEY_${region.toUpperCase().replaceAll("-", "_")}_V${version}`;
  return version === 1 ? "MASTER_ENCRYPTION_KEY" : `MASTER_ENCRYPTION_KEY_V${version}`;
}

async function readKeyTexts(
  infisical: InfisicalClient,
  region: string,
): Promise<ReadonlyMap<string, string>> {
  try {
    const secrets = await infisical.listSecrets(masterKeyFolder);
    return new Map(secrets.map(({ secretKey, value }) => [secretKey, value]));
  } catch (error) {
    if (!(error instanceof InfisicalError)) throw error;
    throw new TenantSecretsError(
      "KEY_UNAVAILABLE",
      `The master key of region ${region} could not be read: Infisical answered ${error.code}. Check that it is up, and the INFISICAL_… settings.`,
      { retryAfterMs: error.retryAfterMs ?? 1000 },
    );
  }
}

function readRegistry(database: Database): Promise<RegistryRow[]> {
  return onDatabase(() =>
    database.acrossCompanies((statements) =>
      statements
        .select()
        .from(tables.masterKeys)
        .orderBy(asc(tables.masterKeys.region), asc(tables.masterKeys.version)),
    ),
  );
}

/** On the very first start: whatever Infisical has as version 1 becomes the key that all others are held to. */
async function registerFirst(
  database: Database,
  texts: ReadonlyMap<string, string>,
  region: string,
): Promise<RegistryRow[]> {
  const { checkValue } = deriveMasterKey(textOf(texts, region, 1), region, 1);
  await onDatabase(() =>
    database.acrossCompanies((statements) =>
      statements
        .insert(tables.masterKeys)
        .values({
          region,
          version: 1,
          status: "active",
          derivation: "hkdf-sha256",
          checkValue,
          activatedAt: sql`now()`,
        })
        .onConflictDoNothing(),
    ),
  );
  return (await readRegistry(database)).filter((row) => row.region === region);
}

function ringOf(
  rows: readonly RegistryRow[],
  texts: ReadonlyMap<string, string>,
  region: string,
): MasterKeyRing {
  const keys = new Map<number, MasterKey>();
  let active: MasterKey | undefined;
  for (const row of rows) {
    if (row.status === "retired" || row.status === "destroyed") continue;
    const key = deriveMasterKey(textOf(texts, region, row.version), region, row.version);
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

function textOf(texts: ReadonlyMap<string, string>, region: string, version: number): string {
  const name = masterKeyName(region, version);
  const text = texts.get(name);
  if (text !== undefined) return text;
  throw new TenantSecretsError(
    "MASTER_KEY_MISSING",
    `${name} is not in the folder ${masterKeyFolder} of this environment in Infisical. Put there what this prints: openssl rand -hex 32`,
  );
}
