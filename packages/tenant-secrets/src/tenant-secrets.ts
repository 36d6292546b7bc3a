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
import { createAuditKeys, createSigningKeys } from "./keys/audit-keys.ts";
import {
  createBackgroundRotation,
  type BackgroundRotation,
  type BackgroundRotationOptions,
} from "./keys/background-rotation.ts";
import { createKeyBackups, type KeyBackups } from "./keys/backup.ts";
import { createCompanyKeyRotation, type CompanyKeyRotation } from "./keys/company-key-rotation.ts";
import { createCompanyKeys } from "./keys/company-keys.ts";
import { createCompromise, type Compromise } from "./keys/compromise.ts";
import { createKeepBackup, type KeepBackup } from "./keys/kept-backup.ts";
import { createMasterKeyRegistry, type MasterKeyRegistry } from "./keys/master-key-registry.ts";
import { createMasterKeys } from "./keys/master-keys.ts";
import { joinProcesses, type ServingProcess } from "./keys/processes.ts";
import { createKeyRotation, type KeyRotation } from "./keys/rotation.ts";
import { createShredding, type Shredding } from "./keys/shredding.ts";
import { createDatabaseStore } from "./stores/database-store.ts";
import { createHybridStore } from "./stores/hybrid-store.ts";
import { createInfisicalStore } from "./stores/infisical-store.ts";
import { createVault, type Vault } from "./vault/vault.ts";
import { createLegacyImport, type ImportLegacy } from "./migration/legacy-import.ts";
import { job, type Caller } from "./vocabulary/actor.ts";
import { TenantSecretsError } from "./vocabulary/errors.ts";

export interface TenantSecretsOptions<C extends Catalog> {
  readonly database: Database;
  readonly infisical: InfisicalClient;
  readonly catalog: C;
  /** The region whose master key this deployment wraps with. "default" is MASTER_ENCRYPTION_KEY itself. */
  readonly region?: string;
  /** Lets operators start rotations in this process without waiting for their end: for a server. */
  readonly backgroundRotation?: BackgroundRotationOptions | undefined;
}

/** What does the work behind procedures and commands. Each checks its caller and writes to the record by itself. */
export interface Services {
  readonly authenticate: Authenticate;
  readonly companies: Companies;
  readonly apiKeys: ApiKeys;
  readonly operators: Operators;
  readonly masterKeys: MasterKeyRegistry;
  readonly keyRotation: KeyRotation;
  readonly backgroundRotation: BackgroundRotation;
  readonly keyBackups: KeyBackups;
  readonly keepBackup: KeepBackup;
  readonly companyKeyRotation: CompanyKeyRotation;
  readonly compromise: Compromise;
  readonly shredding: Shredding;
  readonly vault: Vault;
  readonly importLegacy: ImportLegacy;
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
  /**
   * Joins the processes that serve this database: follows the registry of master keys, and hears what others change.
   * For whatever runs for longer than a command.
   *
   * @param listenerUrl of the role that may connect and nothing else
   * @param onAlarm something that an operator has to look at, such as a wrong key in Infisical, while this goes on
   */
  serve(listenerUrl: string, onAlarm: (error: TenantSecretsError) => void): Promise<ServingProcess>;
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
  const auditKeys = createAuditKeys(database, masterKeys);
  const audit = createAuditLog(database, auditKeys);
  const companyKeys = createCompanyKeys(database, masterKeys, audit);
  const companies = createCompanies(database, audit);
  const infisicalStore = createInfisicalStore(infisical, audit);
  const databaseStore = createDatabaseStore(database, companyKeys, audit);
  const stores = {
    infisical: infisicalStore,
    hybrid: createHybridStore(databaseStore, infisicalStore),
    database: databaseStore,
  };
  const vault = createVault(catalog, companies, stores, audit);
  const keyRotation = createKeyRotation(database, infisical, masterKeys, audit, auditKeys);
  const keyBackups = createKeyBackups(database, infisical, audit);
  const keepBackup = createKeepBackup(masterKeys.region, keyBackups);
  const companyKeyRotation = createCompanyKeyRotation({
    database,
    companies,
    masterKeys,
    companyKeys,
    audit,
  });
  const product = job("in-process", { verbs: ["use", "write"], secretKeys: ["*"] });

  return {
    catalog,
    vault,
    companies,
    authenticate: createAuthenticate(database, audit),
    apiKeys: createApiKeys(database, companies, audit),
    operators: createOperators(database, audit),
    importLegacy: createLegacyImport({
      database,
      infisical,
      catalog,
      companies,
      databaseStore,
      infisicalStore,
      audit,
    }),
    masterKeys: createMasterKeyRegistry(database, infisical, masterKeys, audit, auditKeys),
    keyRotation,
    keyBackups,
    keepBackup,
    backgroundRotation: createBackgroundRotation(
      database,
      masterKeys.region,
      keyRotation,
      keepBackup,
      audit,
      options.backgroundRotation,
    ),
    companyKeyRotation,
    compromise: createCompromise({
      database,
      catalog,
      masterKeys,
      keyRotation,
      companyKeyRotation,
      auditKeys,
      audit,
      list: (company) => stores[company.secretStore].list(company),
    }),
    shredding: createShredding({
      database,
      infisical,
      companyKeys,
      audit,
      loadSigningKey: createSigningKeys(database, masterKeys),
    }),
    serve: (listenerUrl, onAlarm) =>
      joinProcesses(database, masterKeys, {
        listenerUrl,
        onAlarm,
        onChange: (change) => {
          if (change === undefined) companyKeys.forget();
          if (change === undefined || change.subject === "master-keys") auditKeys.forget();
          else if (change.subject === "company-keys") companyKeys.forget(change.companyId);
        },
      }),
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
