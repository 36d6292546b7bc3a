import { randomBytes, randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { connectDatabase } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import postgres from "postgres";
import {
  deriveCompanyKey,
  fingerprint,
  headMac,
  type MasterKey,
  type RowKey,
  rowMac,
  encryptValue,
  wrapKey,
} from "@repo/envelope";
import { createMasterKeys, createRowKeys } from "@repo/tenant-secrets/internals";
import type { Place } from "./deployment.ts";

export interface Population {
  /** How many companies there are afterwards. */
  readonly companies: number;
  /** How many of them are there already, made by this function. */
  readonly existing?: number;
  /** Beside the one for priming. */
  readonly secretsOfEach: number;
  /** Companies on Infisical have no secrets here. Default: database */
  readonly secretStore?: "database" | "infisical";
}

export const subdomainOf = (company: number): string => `company-${company}`;
/** The company's secret that no bench measures. */
export const primingKey = "CUSTOM_PRIMING";
export const secretKeyOf = (keyVersion: number) => `CUSTOM_${keyVersion}` as const;

/** As long as a Stripe key, and another one for every secret. */
export function valueOf(subdomain: string, secretKey: string): string {
  return `fake-value-of-${subdomain}-${secretKey}-`.padEnd(48, "x");
}

/**
 * Fills a place with companies whose every secret is really sealed under a really wrapped key, by COPY. The rows are those
 * that writing one secret after the other would have left, but for the audit log's.
 */
export async function populate(place: Place, { existing = 0, ...population }: Population): Promise<void> {
  const { companies, secretsOfEach, secretStore = "database" } = population;
  const { active, rowKey } = await activeKeys(place);
  const sql = postgres(place.superuserUrl, { max: 1, onnotice: () => {} });
  // Without triggers: the foreign keys hold, since all rows come from one list, and no process listens yet.
  await sql`set session_replication_role = replica`;

  const made = Array.from({ length: companies - existing }, (_, i) => newCompany(existing + i, active));
  const numbered = Array.from({ length: secretsOfEach }, (_, keyVersion) => secretKeyOf(keyVersion));
  const secretKeys = secretStore === "database" ? [primingKey, ...numbered] : [];
  function* eachCompany(fields: (company: NewCompany) => readonly string[]): Generator<string> {
    for (const company of made) yield row(fields(company));
  }
  // A company at a time, so that a million rows are never in memory as text.
  function* eachSecret(
    fields: (company: NewCompany, secretKey: string) => readonly string[],
  ): Generator<string> {
    for (const company of made) yield secretKeys.map((secretKey) => row(fields(company, secretKey))).join("");
  }

  await copy(
    sql,
    "companies (id, subdomain, infisical_folder, secret_store, revision, mac_key_version, mac)",
    eachCompany(({ id, subdomain }) => [
      id,
      subdomain,
      subdomain,
      secretStore,
      "1",
      `${rowKey.keyVersion}`,
      bytes(companyMac(rowKey, id, { subdomain, secretStore })),
    ]),
  );
  await copy(
    sql,
    "company_keys (company_id, key_version, status)",
    eachCompany(({ id }) => [id, "1", "active"]),
  );
  await copy(
    sql,
    "company_key_wraps (company_id, key_version, region, master_key_version, wrapped)",
    eachCompany(({ id, wrapped }) => [id, "1", active.region, `${active.version}`, wrapped]),
  );
  await copy(
    sql,
    "company_secrets (company_id, secret_key, secret_value_encrypted, company_key_version, current_version, last_version, origin, mac_key_version, mac)",
    eachSecret((company, secretKey) => [
      company.id,
      secretKey,
      seal(company, secretKey),
      "1",
      "1",
      "1",
      "written",
      "1",
      bytes(headMacOf(company, secretKey)),
    ]),
  );
  await copy(
    sql,
    "company_secret_versions (company_id, secret_key, version, fingerprint, actor_kind, actor_id)",
    eachSecret(({ id, key, subdomain }, secretKey) => {
      const print = fingerprint(key, Buffer.from(valueOf(subdomain, secretKey)));
      return [id, secretKey, "1", print, "job", "bench"];
    }),
  );
  // As autovacuum and the checkpointer would do by and by, in the place of waiting for them.
  await sql`vacuum analyze`;
  await sql`checkpoint`;
  await sql.end();
}

interface NewCompany {
  readonly id: string;
  readonly subdomain: string;
  readonly key: ReturnType<typeof deriveCompanyKey>;
  readonly wrapped: string;
}

function newCompany(i: number, { wrappingKey, region, version }: MasterKey): NewCompany {
  const id = randomUUID();
  const secret = randomBytes(32);
  const place = { kind: "company-key", owner: id, keyVersion: 1, region, masterKeyVersion: version } as const;
  const wrapped = wrapKey(wrappingKey, place, secret);
  return { id, subdomain: subdomainOf(i), key: deriveCompanyKey(secret, id, 1), wrapped };
}

function seal({ id, key, subdomain }: NewCompany, secretKey: string): string {
  const place = { companyId: id, secretKey, version: 1, companyKeyVersion: 1 };
  return encryptValue(key.valueKey, place, Buffer.from(valueOf(subdomain, secretKey)));
}

function headMacOf({ id, key }: NewCompany, secretKey: string): Buffer {
  return headMac(key, {
    companyId: id,
    secretKey,
    currentVersion: 1,
    pendingVersion: null,
    lastVersion: 1,
    origin: "written",
    expiresAtMs: null,
    removed: false,
    recoverUntilMs: null,
    purged: false,
    graceWindows: null,
    canary: null,
  });
}

function companyMac(
  key: RowKey,
  id: string,
  { subdomain, secretStore }: Pick<NewCompany, "subdomain"> & Required<Pick<Population, "secretStore">>,
): Buffer {
  const place = { subdomain, infisicalFolder: subdomain, secretStore, storeEpoch: 1 };
  const home = { homeRegion: "default", homeEpoch: 1 };
  const state = { id, ...place, status: "active", secondFactorRequired: false, ...home };
  return rowMac(key, { kind: "company", ...state }, 1);
}

/** The active keys. Loading them creates and registers them if there are none. */
async function activeKeys({ urls, infisical }: Place): Promise<{ active: MasterKey; rowKey: RowKey }> {
  const database = connectDatabase({ applicationUrl: urls.application, maintenanceUrl: urls.maintenance });
  const client = createInfisicalClient({ ...infisical, environment: "dev" });
  const masterKeys = createMasterKeys(database, client, "default");
  const { active } = await masterKeys.load();
  const { active: rowKey } = await createRowKeys(database, masterKeys).load();
  await database.close();
  return { active, rowKey };
}

/** As COPY reads them: two backslashes are the one of the type's own format. */
const bytes = (value: Buffer): string => `\\\\x${value.toString("hex")}`;

/** A line of COPY's text format. None of what stands in these rows has to be escaped. */
const row = (fields: readonly string[]): string => `${fields.join("\t")}\n`;

async function copy(sql: postgres.Sql, target: string, lines: Iterable<string>): Promise<void> {
  const rows = await sql.unsafe(`copy ${target} from stdin`).writable();
  await pipeline(Readable.from(lines), rows);
}
