import type { Database } from "./connect.ts";

export interface CompanyRow {
  readonly id: string;
  readonly subdomain: string;
  readonly infisicalFolder: string;
  readonly secretStore: "infisical" | "hybrid" | "database";
  readonly storeEpoch: number;
  readonly status: "active" | "suspended" | "deleted";
}

export interface ApiKeyRow {
  readonly id: string;
  readonly companyId: string | null;
  readonly name: string;
  readonly hash: string;
  readonly verbs: readonly string[];
  readonly keyPatterns: readonly string[];
  readonly addresses: readonly string[] | null;
  /** The companies of a platform key; empty for a company's own. */
  readonly companyIds: readonly string[];
  /** Neither revoked nor expired, by the database's clock. */
  readonly valid: boolean;
}

export interface OperatorRow {
  readonly id: string;
  readonly name: string;
  readonly tokenHash: string;
  readonly valid: boolean;
}

export interface SecretHeadRow {
  readonly companyId: string;
  readonly secretKey: string;
  readonly sealed: string | null;
  readonly companyKeyNo: number | null;
  readonly currentVersion: number | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly deletedAt: Date | null;
}

/** The company that a subdomain names now, found before any company is known. */
export function findCompanyRow(database: Database, subdomain: string): Promise<CompanyRow | undefined> {
  return database.outsideCompanies(async (sql) => {
    const [row] = await sql<CompanyRow[]>`
      select id, subdomain, infisical_folder as "infisicalFolder", secret_store as "secretStore",
        store_epoch as "storeEpoch", status from find_company(${subdomain})`;
    return row;
  });
}

export function findApiKeyRow(database: Database, prefix: string): Promise<ApiKeyRow | undefined> {
  return database.outsideCompanies(async (sql) => {
    const [row] = await sql<ApiKeyRow[]>`
      select id, company_id as "companyId", name, hash, verbs, key_patterns as "keyPatterns", addresses,
        company_ids as "companyIds", valid from find_api_key(${prefix})`;
    return row;
  });
}

export function findOperatorRow(database: Database, prefix: string): Promise<OperatorRow | undefined> {
  return database.outsideCompanies(async (sql) => {
    const [row] = await sql<OperatorRow[]>`
      select id, name, token_hash as "tokenHash", valid from find_operator(${prefix})`;
    return row;
  });
}

/** Notes that a key was used, at most once a minute. */
export async function touchApiKey(database: Database, id: string): Promise<void> {
  await database.outsideCompanies((sql) => sql`select touch_api_key(${id})`);
}

/** The head of a secret in one statement, with row-level security on. */
export function readSecretHead(
  database: Database,
  companyId: string,
  secretKey: string,
): Promise<SecretHeadRow | undefined> {
  return database.outsideCompanies(async (sql) => {
    const [row] = await sql<StringDates<SecretHeadRow>[]>`
      select company_id as "companyId", secret_key as "secretKey", secret_value_encrypted as "sealed",
        company_key_no as "companyKeyNo", current_version as "currentVersion", created_at as "createdAt",
        updated_at as "updatedAt", deleted_at as "deletedAt" from read_secret(${companyId}, ${secretKey})`;
    if (row === undefined) return undefined;
    return {
      ...row,
      createdAt: new Date(row.createdAt),
      updatedAt: new Date(row.updatedAt),
      deletedAt: row.deletedAt === null ? null : new Date(row.deletedAt),
    };
  });
}

/** drizzle makes the driver hand times over as text. */
type StringDates<Row> = {
  [K in keyof Row]: Row[K] extends Date ? string : Row[K] extends Date | null ? string | null : Row[K];
};
