import type { Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import { createAuditLog } from "./access/audit.ts";
import type { Catalog } from "./catalog/catalog.ts";
import {
  companySecrets,
  type CompanySecrets,
  type WriteOptions,
  type WriteResult,
} from "./catalog/company-secrets.ts";
import { createApiKeys, type ApiKeys } from "./companies/api-keys.ts";
import { createAuthenticate, type Authenticate } from "./companies/authenticate.ts";
import { createCompanies, type Companies } from "./companies/companies.ts";
import { createOperators, type Operators } from "./companies/operators.ts";
import { createAuditKeys } from "./keys/audit-keys.ts";
import { createCompanyKeys } from "./keys/company-keys.ts";
import { createMasterKeys } from "./keys/master-keys.ts";
import { createDatabaseStore } from "./stores/database-store.ts";
import { createHybridStore } from "./stores/hybrid-store.ts";
import { createInfisicalStore } from "./stores/infisical-store.ts";
import { createVault, type Vault } from "./vault/vault.ts";
import { job, type Caller } from "./vocabulary/actor.ts";
import { TenantSecretsError } from "./vocabulary/errors.ts";

export interface TenantSecretsOptions<C extends Catalog> {
  readonly database: Database;
  readonly infisical: InfisicalClient;
  readonly catalog: C;
  /** The region whose master key this deployment wraps with. "default" is MASTER_ENCRYPTION_KEY itself. */
  readonly region?: string;
}

/** What does the work behind procedures and commands. Each checks its caller and writes to the record by itself. */
export interface Services {
  readonly authenticate: Authenticate;
  readonly companies: Companies;
  readonly apiKeys: ApiKeys;
  readonly operators: Operators;
  readonly vault: Vault;
}

export interface TenantSecrets<C extends Catalog> extends Services {
  readonly catalog: C;
  /**
   * One company's secrets, typed by the catalogue. The company is found anew at every call, so a handle may be kept.
   *
   * @param as who asks: {@link job} for code of the product, or what `authenticate` answered
   */
  company(subdomain: string, as: Caller): CompanySecrets<C>;
  /**
   * Loads and checks the keys that everything needs, making the record's on the very first start.
   *
   * @throws {TenantSecretsError} MASTER_KEY_MISSING, MASTER_KEY_MALFORMED, MASTER_KEY_WRONG: do not start;
   *   KEY_UNAVAILABLE, DATABASE_UNAVAILABLE: try again
   */
  prepare(): Promise<void>;
  /** The strategy's own helper, as a job that may use every secret. @returns undefined where there is none */
  getTenantSecret(subdomain: string, secretKey: string): Promise<string | undefined>;
  /** The strategy's own helper, as a job that may write every secret. @throws {TenantSecretsError} as `set` does */
  setTenantSecret(
    subdomain: string,
    secretKey: string,
    value: string,
    options?: WriteOptions,
  ): Promise<WriteResult>;
}

/** Puts the parts together. Nothing is opened or loaded before the first call. */
export function createTenantSecrets<C extends Catalog>(options: TenantSecretsOptions<C>): TenantSecrets<C> {
  const { database, infisical, catalog } = options;
  const masterKeys = createMasterKeys(database, infisical, options.region ?? "default");
  const audit = createAuditLog(database, createAuditKeys(database, masterKeys));
  const companyKeys = createCompanyKeys(database, masterKeys, audit);
  const companies = createCompanies(database, audit);
  const infisicalStore = createInfisicalStore(infisical, audit);
  const databaseStore = createDatabaseStore(database, companyKeys, audit);
  const vault = createVault(
    catalog,
    companies,
    {
      infisical: infisicalStore,
      hybrid: createHybridStore(databaseStore, infisicalStore),
      database: databaseStore,
    },
    audit,
  );
  const product = job("in-process", { verbs: ["use", "write"], secretKeys: ["*"] });

  return {
    catalog,
    vault,
    companies,
    authenticate: createAuthenticate(database, audit),
    apiKeys: createApiKeys(database, companies, audit),
    operators: createOperators(database, audit),
    prepare: () => audit.ready(),
    company: (subdomain, as) =>
      companySecrets(catalog, {
        read: async (secretKey) => (await vault.read(as, subdomain, secretKey)).text,
        write: (secretKey, text, writeOptions) => vault.write(as, subdomain, secretKey, text, writeOptions),
        list: () => vault.list(as, subdomain),
        remove: (secretKey, removeOptions) => vault.remove(as, subdomain, secretKey, removeOptions),
        restore: (secretKey) => vault.restore(as, subdomain, secretKey),
      }),
    getTenantSecret: async (subdomain, secretKey) => {
      try {
        return (await vault.read(product, subdomain, secretKey)).text;
      } catch (error) {
        if (error instanceof TenantSecretsError && error.code === "NOT_FOUND") return undefined;
        throw error;
      }
    },
    setTenantSecret: (subdomain, secretKey, value, writeOptions = {}) =>
      vault.write(product, subdomain, secretKey, value, writeOptions),
  };
}
