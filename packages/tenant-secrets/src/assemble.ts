import { announceSecret, nameTagOf, type Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import {
  createAuditLog,
  createAuditRetention,
  createSealer,
  type AuditLog,
  type LostEvent,
  type Sealer,
  type SealerOptions,
  throwTenantSecretsError,
} from "@repo/audit-log";
import {
  type Caller,
  type Catalog,
  type CompanySecrets,
  companySecrets,
  describeCatalog,
  systemCaller,
  type SecretKeyOf,
  type SecretStoreName,
  TenantSecretsError,
  type WriteResult,
} from "@repo/catalog";
import { oncePerMinute } from "./access/alarms.ts";
import { createOperations } from "./access/operation.ts";
import { createRateLimits, type RateLimitOptions } from "./access/rate-limits.ts";
import { defaultCache, type CacheOptions } from "./cache/cache-options.ts";
import { createApiKeys } from "./companies/api-keys.ts";
import { createAuthenticRows } from "./access/authentic-rows.ts";
import { createAuthentication, type SignIn } from "./companies/authenticate.ts";
import { createCompanies, type Company } from "./companies/companies.ts";
import { createCompanyRows } from "./companies/company-rows.ts";
import { limitedCompanies } from "./companies/rate-limited.ts";
import { createMembers } from "./companies/members.ts";
import { createStamps } from "./companies/stamps.ts";
import { createOperators } from "./companies/operators.ts";
import { createUsers } from "./companies/users.ts";
import { createAuditKeys, createSigningKeys } from "./keys/audit-keys.ts";
import { createKeyBackups } from "./keys/backup/backup.ts";
import { defineCompanyRotation } from "./keys/company/rotation-run.ts";
import { createCompanyKeyRotation } from "./keys/company/rotation.ts";
import { createCompanyKeys } from "./keys/company/company-keys.ts";
import { createEmergencyRotation } from "./keys/rotation/emergency.ts";
import { createStoreBackup, type BackupDestination } from "./keys/backup/destination.ts";
import { createMasterKeyRegistry } from "./keys/master/master-key-registry.ts";
import { createMasterKeys } from "./keys/master/master-keys.ts";
import { joinProcesses, type ServingProcess } from "./keys/rotation/process-registry.ts";
import { createRowKeys } from "./keys/row-keys.ts";
import { createKeyRotation, defineKeyRotation } from "./keys/rotation/rotation.ts";
import { createShredding } from "./keys/shredding/shredding.ts";
import { requireChecks, type CredentialChecks } from "./providers/credential-check.ts";
import { providerChecks } from "./providers/provider-checks.ts";
import { requireSchemes } from "./providers/value-schemes.ts";
import { webhookVerifiers } from "./providers/webhook-schemes.ts";
import {
  requireVerifiers,
  type WebhookRequest,
  type WebhookVerifiers,
} from "./providers/webhook-verification.ts";
import { createAuditService } from "./audit/audit-service.ts";
import { refusingOptions } from "./stores/capabilities.ts";
import { invalidating } from "./stores/invalidating.ts";
import { createRunControl } from "./runs/run-control.ts";
import { createDatabaseStore } from "./stores/database/database-store.ts";
import { createHybridStore } from "./stores/hybrid/hybrid-store.ts";
import { tryInfisicalRights } from "./stores/infisical/infisical-rights.ts";
import { createInfisicalStore } from "./stores/infisical/infisical-store.ts";
import { createOutsideSettlement } from "./stores/infisical/outside-settlement.ts";
import { createOutsideWrites } from "./stores/infisical/outside-writes.ts";
import type { SecretStore } from "./stores/store.ts";
import { createQuotas, type QuotaOptions } from "./stores/database/quotas.ts";
import { createSecretMaintenance } from "./jobs/maintenance.ts";
import { createValueSearch } from "./vault/search.ts";
import { createSecretCache } from "./vault/secret-cache.ts";
import type { Measurements } from "./vault/measurements.ts";
import { vaultTransport } from "./vault/transport.ts";
import { createVault } from "./vault/vault.ts";
import { createLegacyImport, defineLegacyImport } from "./migration/legacy-import.ts";
import type { Services } from "./product-services.ts";

/** What the product is assembled from: open connections, and a product's own parts. */
export interface AssemblyOptions<C extends Catalog> {
  readonly database: Database;
  readonly infisical: InfisicalClient;
  readonly catalog: C;
  /** The region whose master key this deployment wraps with. "default" is MASTER_ENCRYPTION_KEY itself. */
  readonly region?: string;
  /** Who has signed in, for people who send requests; without it there are no people, only credentials. */
  readonly signIn?: SignIn | undefined;
  /** Where rotations that a request asks for keep their backup; without it, there are none of those. */
  readonly backupDestination?: BackupDestination | undefined;
  /** How providers are asked whether a credential works, by the names in the catalogue. Default: {@link providerChecks} */
  readonly checks?: CredentialChecks | undefined;
  /** How webhooks are verified, by the names in the catalogue, beside those of {@link webhookVerifiers}. */
  readonly verifiers?: WebhookVerifiers | undefined;
  /** How much one caller, company or address may ask for. */
  readonly limits?: RateLimitOptions | undefined;
  /** How much one company may keep in the database. */
  readonly quotas?: QuotaOptions | undefined;
  /** For how many days events of the audit log are kept, 30 at least. Default: for good. */
  readonly auditRetentionDays?: number | undefined;
  /** How much is kept of what was read, and how long, between `serve` and its end. */
  readonly cache?: CacheOptions | undefined;
}

/** Of one caller. A name in a request is not a company yet, so that there is no end of names. */
const maxHandles = 10_000;

/** One company's secrets in the process that has the keys. */
export interface CompanySecretsOnServer<C extends Catalog> extends CompanySecrets<C> {
  /**
   * Verifies that a webhook was signed with this secret, by any of its versions that count now. On record as a use.
   *
   * @returns the version that it was signed with
   * @throws {TenantSecretsError} as `get`; UNAUTHENTICATED: refuse the request; NOT_SUPPORTED where the catalogue names no
   *   way of signing
   */
  verifyWebhook(secretKey: SecretKeyOf<C>, request: WebhookRequest): Promise<{ readonly version: number }>;
}

/** Every part, for the front door, benches and tests. */
export interface Assembly<C extends Catalog> extends Services {
  readonly catalog: C;
  /**
   * One company's secrets, typed by the catalogue. The company is resolved for each call, so a handle may be kept.
   *
   * @param as who asks: {@link systemCaller} for code of the product, or what `authenticate` answered
   */
  company(subdomain: string, as: Caller): CompanySecretsOnServer<C>;
  /**
   * Loads and checks the keys that everything needs, making the audit log's on the very first start.
   *
   * @throws {TenantSecretsError} MASTER_KEY_MISSING, MASTER_KEY_MALFORMED, MASTER_KEY_WRONG: do not start;
   *   KEY_UNAVAILABLE, DATABASE_UNAVAILABLE: try again
   */
  prepare(): Promise<void>;
  /**
   * Tries whether Infisical lets this service do what it needs: see `tryInfisicalRights`.
   *
   * @returns a sentence for each right that is missing
   * @throws {TenantSecretsError} STORE_UNAVAILABLE, DATABASE_UNAVAILABLE: it could not be tried
   */
  tryInfisicalRights(): Promise<readonly string[]>;
  /**
   * Commits what the audit log has taken and not yet written, which it does by itself four times a second.
   *
   * @throws {TenantSecretsError} AUDIT_UNAVAILABLE: it is kept for another try
   */
  flush(): Promise<void>;
  /**
   * For the end of the process, when nothing calls any more and before the database is closed: as `flush`, for ten seconds
   * if need be. Reads by services and jobs are refused from now on.
   */
  stop(): Promise<void>;
  /** What this process has done so far. Cheap, and for asking every few seconds. */
  measurements(): Measurements;
  /** Seals the audit log in batches. For whatever runs for longer than a command, each a sealer of its own. */
  createSealer(sealerOptions: SealerOptions): Sealer;
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
  setTenantSecret(subdomain: string, secretKey: string, value: string): Promise<WriteResult>;
}

/** What a store of somebody else's is made with. */
export interface StoreParts {
  readonly audit: AuditLog;
  readonly stores: Readonly<Record<SecretStoreName, SecretStore>>;
}

/** Parts for measurements and tests, in place of those of the product. */
export interface Replacements {
  readonly openAuditLog?: typeof createAuditLog;
  /** Stores, by the `secretStore` of the companies whose secrets they are to hold. */
  readonly replaceStores?: (parts: StoreParts) => Partial<StoreParts["stores"]>;
}

/**
 * Puts the parts together, without a lifecycle: the front door is `createTenantSecrets`. Opens and loads nothing.
 *
 * @param replacements to measure or test other parts
 * @throws {TypeError} when the catalogue names a check or a verifier that is not there, or a scheme that its entry refuses
 */
export function assembleTenantSecrets<C extends Catalog>(
  options: AssemblyOptions<C>,
  { openAuditLog = createAuditLog, replaceStores = () => ({}) }: Replacements = {},
): Assembly<C> {
  const { database, infisical, catalog } = options;
  const masterKeys = createMasterKeys(database, infisical, options.region ?? "default");
  const auditKeys = createAuditKeys(database, masterKeys);
  let eventsLost = 0;
  let alarm: (error: TenantSecretsError) => void = () => {};
  const audit = openAuditLog(database, auditKeys, (lost) => {
    eventsLost += 1;
    alarm(eventLost(lost));
  });
  const loadSigningKey = createSigningKeys(database, masterKeys);
  const companyKeys = createCompanyKeys(database, masterKeys, audit);
  const limits = createRateLimits(database, audit, options.limits);
  const cacheOptions = { ...defaultCache, ...options.cache };
  const rowKeys = createRowKeys(database, masterKeys);
  const alarmOnce = oncePerMinute((error) => alarm(error));
  const authentic = createAuthenticRows({ database, audit }, rowKeys, alarmOnce);
  const rows = createCompanyRows(database, authentic, cacheOptions);
  const operations = createOperations(database, authentic, audit);
  const companies = limitedCompanies(createCompanies(operations, rows), { limits, catalog });
  const stamps = createStamps(companies);
  const authentication = createAuthentication({
    database,
    authentic,
    audit,
    limits,
    signIn: options.signIn,
    staleIfErrorMs: cacheOptions.staleIfErrorMs,
  });
  const databaseParts = {
    database,
    companyKeys,
    audit,
    onAlarm: alarmOnce,
  };
  const infisicalStore = createInfisicalStore(infisical, createOutsideWrites(databaseParts));
  const databaseStore = createDatabaseStore({
    ...databaseParts,
    quotas: createQuotas(database, options.quotas),
  });
  const hybridStore = createHybridStore({
    catalog,
    database: databaseStore,
    infisical: infisicalStore,
    recheckAfterMs: cacheOptions.ttlMs,
  });
  const cache = createSecretCache(cacheOptions);
  const invalidate = async ({ id }: Company, secretKeys: readonly string[]): Promise<void> => {
    for (const secretKey of secretKeys) cache.invalidate(id, secretKey);
  };
  /** Triggers tell of what changes in the database. A process that does not hear of this keeps the value it has for a while. */
  const announceOutside = async (companyId: string, secretKey: string): Promise<void> => {
    cache.invalidate(companyId, secretKey);
    await announceSecret(database, companyId, secretKey).catch(() => {});
  };
  const builtIn = { infisical: infisicalStore, hybrid: hybridStore, database: databaseStore };
  const inUse = { ...builtIn, ...replaceStores({ audit, stores: builtIn }) };
  const stores = {
    infisical: invalidating(refusingOptions(inUse.infisical), async ({ id }, secretKeys) => {
      for (const secretKey of secretKeys) await announceOutside(id, secretKey);
    }),
    hybrid: invalidating(refusingOptions(inUse.hybrid), invalidate),
    database: invalidating(refusingOptions(inUse.database), invalidate),
  };
  const verifiers = { ...webhookVerifiers(), ...options.verifiers };
  requireVerifiers(catalog, verifiers);
  const checks = options.checks ?? providerChecks();
  requireChecks(catalog, checks);
  requireSchemes(catalog);
  const vault = createVault({
    database,
    catalog,
    companies,
    stores,
    audit,
    operations,
    cache,
    verifiers,
    checks,
  });
  const keyBackups = createKeyBackups(database, infisical, operations);
  const storeBackup = createStoreBackup(masterKeys.region, keyBackups);
  const rotationParts = { database, infisical, masterKeys, operations, audit, loadAuditKey: auditKeys };
  const { backupDestination } = options;
  const rotation = defineKeyRotation(rotationParts, { storeBackup, destination: backupDestination });
  const keyRotation = createKeyRotation(rotationParts, rotation, backupDestination);
  const companyRotation = defineCompanyRotation(database, companyKeys, audit);
  const companyKeyRotation = createCompanyKeyRotation({
    companies,
    masterKeys,
    companyRotation,
    operations,
  });
  const importParts = {
    database,
    infisical,
    catalog,
    companies,
    databaseStore,
    infisicalStore,
    operations,
  };
  const legacyImport = defineLegacyImport(importParts);
  // They hold nothing, and making one takes longer than most reads.
  const handles = new WeakMap<Caller, Map<string, CompanySecretsOnServer<C>>>();
  const makeHandle = (subdomain: string, as: Caller): CompanySecretsOnServer<C> => ({
    ...companySecrets(catalog, vaultTransport({ vault, companies }, as, subdomain)),
    verifyWebhook: async (secretKey, request) => {
      const scope = await companies.resolve({ caller: as, action: "secret.read", secretKey }, subdomain);
      return vault.verifyWebhook(scope, { secretKey, request });
    },
  });
  const product = systemCaller("in-process", { verbs: ["use", "write"], secretKeys: ["*"] });

  return {
    catalog,
    describeCatalog: () => describeCatalog(catalog),
    vault,
    maintenance: createSecretMaintenance(databaseParts),
    outsideSettlement: createOutsideSettlement({
      database,
      infisical,
      companyKeys,
      audit,
      announce: announceOutside,
    }),
    searchValues: createValueSearch(operations, companies, companyKeys),
    companies,
    stamps,
    authenticate: authentication.authenticate,
    limits,
    apiKeys: createApiKeys(operations, companies),
    members: createMembers(operations, companies),
    users: createUsers(operations),
    operators: createOperators(operations),
    importLegacy: createLegacyImport(importParts, legacyImport),
    masterKeys: createMasterKeyRegistry({
      database,
      infisical,
      masterKeys,
      operations,
      rotation,
      loadAuditKey: auditKeys,
    }),
    keyRotation,
    keyBackups,
    storeBackup,
    companyKeyRotation,
    runs: createRunControl(operations, [rotation, companyRotation, legacyImport]),
    emergencyRotation: createEmergencyRotation({
      database,
      catalog,
      masterKeys,
      keyRotation,
      rotation,
      companyKeyRotation,
      auditKeys,
      operations,
      rowKeys,
      list: async (company) => {
        const { secrets, unreachable } = await stores[company.secretStore].list(company);
        if (unreachable !== undefined) throw unreachable;
        return secrets;
      },
    }),
    shredding: createShredding({
      database,
      operations,
      infisical,
      companyKeys,
      loadSigningKey,
    }),
    retention: createAuditRetention(database, audit, options.auditRetentionDays),
    audit: createAuditService({
      database,
      operations,
      companies,
      loadMacKey: auditKeys,
      rowKeys,
      companyKeys,
      loadSigningKey,
    }),
    measurements: () => ({
      cache: cache.measure(),
      backfill: hybridStore.measure(),
      expiredReads: vault.expiredReads(),
      eventsLost,
    }),
    createSealer: (sealerOptions) => createSealer({ database, loadSigningKey }, sealerOptions),
    serve: async (listenerUrl, onAlarm) => {
      alarm = onAlarm;
      const member = await joinProcesses(database, masterKeys, {
        listenerUrl,
        onAlarm,
        onChange: (change) => {
          stamps.count(change);
          if (change === undefined) {
            companyKeys.invalidate();
            rows.markStale();
            cache.markStale();
          }
          if (change === undefined) authentication.markStale();
          else if (change.subject === "credentials") authentication.invalidate();
          if (change === undefined || change.subject === "master-keys") {
            auditKeys.invalidate();
            rowKeys.invalidate();
          }
          if (change === undefined || !("companyId" in change)) return;
          if (change.subject === "company-members" || change.subject === "company-api-keys") return;
          if (change.subject === "company-secret") {
            const { companyId, nameTag } = change;
            cache.invalidateMatching(companyId, (secretKey) => nameTagOf(companyId, secretKey) === nameTag);
            return;
          }
          if (change.subject === "company") rows.invalidate(change.companyId);
          if (change.subject === "company-keys") companyKeys.invalidate(change.companyId);
          cache.invalidate(change.companyId);
        },
      }).catch(throwTenantSecretsError);
      rows.start();
      cache.start();
      authentication.startCaching();
      return {
        ...member,
        stop: async () => {
          authentication.stopCaching();
          rows.stop();
          cache.stop();
          await member.stop();
        },
      };
    },
    prepare: async () => {
      await audit.ready();
      await rowKeys.load().catch(throwTenantSecretsError);
    },
    tryInfisicalRights: () => tryInfisicalRights(database, infisical).catch(throwTenantSecretsError),
    flush: () => audit.flush(),
    stop: async () => {
      await databaseStore.lastUsed.flush();
      await audit.stop();
    },
    company: (subdomain, as) => {
      const known = handles.get(as)?.get(subdomain);
      if (known !== undefined) return known;
      const handle = makeHandle(subdomain, as);
      const ofCaller = handles.get(as) ?? new Map<string, CompanySecretsOnServer<C>>();
      if (ofCaller.size >= maxHandles) ofCaller.clear();
      handles.set(as, ofCaller.set(subdomain, handle));
      return handle;
    },
    getTenantSecret: async (subdomain, secretKey) => {
      try {
        const read = { caller: product, action: "secret.read", secretKey } as const;
        return (await vault.read(await companies.resolve(read, subdomain), { secretKey })).value;
      } catch (error) {
        if (error instanceof TenantSecretsError && error.code === "NOT_FOUND") return undefined;
        throw error;
      }
    },
    setTenantSecret: async (subdomain, secretKey, value) => {
      const write = { caller: product, action: "secret.write", secretKey } as const;
      return vault.write(await companies.resolve(write, subdomain), { secretKey, value });
    },
  };
}

function eventLost({ action, code }: LostEvent): TenantSecretsError {
  return new TenantSecretsError(
    "INTERNAL",
    `An event of the audit log (${action}) was refused by the database and is lost; its number is in a audit.unused-sequence-numbers. Report this with the diagnosis.`,
    { diagnosis: `database error ${code}` },
  );
}
