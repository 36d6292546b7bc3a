import { eq } from "drizzle-orm";
import type { Database } from "./connect.ts";
import { companies } from "./schema.ts";

export interface CompanyRow {
  readonly id: string;
  readonly subdomain: string;
  readonly infisicalFolder: string;
  readonly secretStore: "infisical" | "hybrid" | "database";
  /** How often the store has been changed: work that began under an earlier one is stale. */
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

export interface UserRow {
  readonly id: string;
  readonly email: string;
  /** Not disabled. */
  readonly valid: boolean;
  /** The companies that the person belongs to, and in the same order what they are there. */
  readonly companyIds: readonly string[];
  readonly roles: readonly ("owner" | "admin" | "member" | "auditor")[];
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

/** The company of an id as it is now, whatever its name has become. */
export function findCompanyRowById(database: Database, id: string): Promise<CompanyRow | undefined> {
  return database.inCompany(id, async (statements) => {
    const { subdomain, infisicalFolder, secretStore, storeEpoch, status } = companies;
    const [row] = await statements
      .select({ id: companies.id, subdomain, infisicalFolder, secretStore, storeEpoch, status })
      .from(companies)
      .where(eq(companies.id, id));
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

/** @param id of a row of `users`; undefined where there is none */
export function findUserRow(database: Database, id: string): Promise<UserRow | undefined> {
  return database.outsideCompanies(async (sql) => {
    const [row] = await sql<UserRow[]>`
      select id, email, valid, company_ids as "companyIds", roles from find_user(${id})`;
    return row;
  });
}

/** Notes that a key was used, at most once a minute. */
export async function touchApiKey(database: Database, id: string): Promise<void> {
  await database.outsideCompanies((sql) => sql`select touch_api_key(${id})`);
}
