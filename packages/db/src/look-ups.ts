import { eq } from "drizzle-orm";
import type { Database } from "./connect.ts";
import { companies } from "./schema.ts";

/** What a row that decides who may read has beside what it says. */
export interface Authenticated {
  /** The number of its state: any later state of any such row has a higher one. */
  readonly revision: number;
  readonly macKeyVersion: number;
  readonly mac: Buffer;
}

export interface CompanyRow extends Authenticated {
  readonly id: string;
  readonly subdomain: string;
  readonly infisicalFolder: string;
  readonly secretStore: "infisical" | "hybrid" | "database";
  /** How often the store has been changed: work that began under an earlier one is stale. */
  readonly storeEpoch: number;
  readonly status: "active" | "suspended" | "deleted";
  readonly secondFactorRequired: boolean;
  /** Where its secrets are written. */
  readonly homeRegion: string;
  /** How often the home has been moved, from 1. */
  readonly homeEpoch: number;
}

export interface ApiKeyRow extends Authenticated {
  readonly id: string;
  readonly companyId: string | null;
  readonly prefix: string;
  readonly hash: string;
  readonly verbs: readonly string[];
  readonly keyPatterns: readonly string[];
  readonly addresses: readonly string[] | null;
  readonly createdByKind: string;
  readonly createdById: string;
  /** In milliseconds of Unix time. */
  readonly expiresAtMs: number;
  /** Both by the database's clock: the milliseconds that are left, and whether there are none. */
  readonly expiresInMs: number;
  readonly expired: boolean;
  readonly revoked: boolean;
  /** The companies of a platform key, in order; empty for a company's own. */
  readonly companyIds: readonly string[];
}

export interface OperatorRow extends Authenticated {
  readonly id: string;
  /** Both null for a person who acts with their session. */
  readonly tokenPrefix: string | null;
  readonly tokenHash: string | null;
  /** Null for a token that names no person. */
  readonly userId: string | null;
  /** In milliseconds of Unix time. */
  readonly expiresAtMs: number;
  /** Both by the database's clock: the milliseconds that are left, and whether there are none. */
  readonly expiresInMs: number;
  readonly expired: boolean;
  readonly revoked: boolean;
}

export interface UserRow extends Authenticated {
  readonly id: string;
  readonly email: string;
  readonly disabled: boolean;
  /** The companies that the person belongs to, and what they are there. */
  readonly memberships: readonly MembershipRow[];
  /** The operator that the person may act as: not revoked, and perhaps expired. */
  readonly link: OperatorLinkRow | undefined;
}

export interface OperatorLinkRow extends Authenticated {
  /** Of the row of `operators`. */
  readonly id: string;
  /** In milliseconds of Unix time. */
  readonly expiresAtMs: number;
  /** By the database's clock: the milliseconds that are left. */
  readonly expiresInMs: number;
}

export interface MembershipRow extends Authenticated {
  readonly companyId: string;
  readonly role: "owner" | "admin" | "member" | "auditor";
  /**
   * Of the company's row, whose MAC this look-up does not bring: where the row is not genuine, the person cannot enter the company
   * in any case.
   */
  readonly secondFactorRequired: boolean;
}

/** The company that a subdomain names now, found before any company is known. */
export function findCompanyRow(database: Database, subdomain: string): Promise<CompanyRow | undefined> {
  return database.outsideCompanies(async (sql) => {
    const [row] = await sql<CompanyRow[]>`
      select id, subdomain, infisical_folder as "infisicalFolder", secret_store as "secretStore",
        store_epoch as "storeEpoch", status, second_factor_required as "secondFactorRequired",
        home_region as "homeRegion", home_epoch as "homeEpoch", revision, mac_key_version as "macKeyVersion", mac from find_company(${subdomain})`;
    return row;
  });
}

/** The company of an id as it is now, whatever its name has become. */
export function findCompanyRowById(database: Database, id: string): Promise<CompanyRow | undefined> {
  return database.inCompany(id, async (statements) => {
    const { id: companyId, subdomain, infisicalFolder, secretStore, storeEpoch, status } = companies;
    const { secondFactorRequired, homeRegion, homeEpoch, revision, macKeyVersion, mac } = companies;
    const place = { subdomain, infisicalFolder, secretStore, storeEpoch, homeRegion, homeEpoch };
    const state = { id: companyId, ...place, status, secondFactorRequired };
    const [row] = await statements
      .select({ ...state, revision, macKeyVersion, mac })
      .from(companies)
      .where(eq(companies.id, id));
    return row;
  });
}

export function findApiKeyRow(database: Database, prefix: string): Promise<ApiKeyRow | undefined> {
  return database.outsideCompanies(async (sql) => {
    const [row] = await sql<ApiKeyRow[]>`
      select id, company_id as "companyId", prefix, hash, verbs, key_patterns as "keyPatterns", addresses,
        created_by_kind as "createdByKind", created_by_id as "createdById",
        (extract(epoch from expires_at) * 1000)::float8 as "expiresAtMs",
        (extract(epoch from expires_at - now()) * 1000)::float8 as "expiresInMs", expires_at <= now() as expired, revoked,
        company_ids as "companyIds", revision, mac_key_version as "macKeyVersion", mac from find_api_key(${prefix})`;
    return row;
  });
}

export function findOperatorRow(database: Database, prefix: string): Promise<OperatorRow | undefined> {
  return database.outsideCompanies(async (sql) => {
    const [row] = await sql<OperatorRow[]>`
      select id, token_prefix as "tokenPrefix", token_hash as "tokenHash", user_id as "userId",
        (extract(epoch from expires_at) * 1000)::float8 as "expiresAtMs",
        (extract(epoch from expires_at - now()) * 1000)::float8 as "expiresInMs", expires_at <= now() as expired, revoked,
        revision, mac_key_version as "macKeyVersion", mac from find_operator(${prefix})`;
    return row;
  });
}

/** As JSON has it. */
type Encoded<R extends Authenticated> = Omit<R, "mac"> & { readonly mac: string };
interface EncodedUserRow extends Omit<UserRow, "memberships" | "link"> {
  readonly memberships: readonly Encoded<MembershipRow>[];
  readonly link: Encoded<OperatorLinkRow> | null;
}

/** @param id of a row of `users`; undefined where there is none */
export function findUserRow(database: Database, id: string): Promise<UserRow | undefined> {
  return database.outsideCompanies(async (sql) => {
    const [row] = await sql<EncodedUserRow[]>`
      select id, email, disabled, revision, mac_key_version as "macKeyVersion", mac, memberships, link from find_user(${id})`;
    if (row === undefined) return undefined;
    const memberships = row.memberships.map((each) => ({ ...each, mac: Buffer.from(each.mac, "hex") }));
    const link = row.link === null ? undefined : { ...row.link, mac: Buffer.from(row.link.mac, "hex") };
    return { ...row, memberships, link };
  });
}

/** Notes that a key was used, at most once a minute. */
export async function touchApiKey(database: Database, id: string): Promise<void> {
  await database.outsideCompanies((sql) => sql`select touch_api_key(${id})`);
}
