import { createSealer, throwTenantSecretsError } from "@repo/audit-log";
import { type Catalog, describeCatalog } from "@repo/catalog";
import { createOutbound } from "@repo/outbound";
import { createRateLimits } from "./access/rate-limits.ts";
import { createRetention } from "./access/retention.ts";
import type { Assembly, AssemblyOptions, Replacements } from "./assembly/assembly.ts";
import { assembleBase } from "./assembly/base.ts";
import { createCompanyHandles } from "./assembly/company-handles.ts";
import { assembleKeys } from "./assembly/keys.ts";
import { assembleNotifications } from "./assembly/notifications.ts";
import { assembleRotation } from "./assembly/rotation.ts";
import { createServe } from "./assembly/serving.ts";
import { assembleStores } from "./assembly/stores.ts";
import { createAuditService } from "./audit/audit-service.ts";
import { recordingChanges } from "./audit/sealer-events.ts";
import { defaultCache } from "./cache/cache-options.ts";
import { createApprovals } from "./companies/approvals.ts";
import { createApiKeys } from "./companies/api-keys.ts";
import { createApprovalGate } from "./companies/approval-gate.ts";
import { createAuthentication } from "./companies/authenticate.ts";
import { createCompanies } from "./companies/companies.ts";
import { createCompanyRows } from "./companies/company-rows.ts";
import { createMe } from "./companies/me.ts";
import { createAcceptance } from "./companies/acceptance.ts";
import { createInvitations } from "./companies/invitations.ts";
import { noteMailIn } from "./companies/invitation-rows.ts";
import { createMailing } from "./companies/mailing.ts";
import { createMembers } from "./companies/members.ts";
import { createOperators } from "./companies/operators.ts";
import { limitedCompanies } from "./companies/rate-limited.ts";
import { createStamps } from "./companies/stamps.ts";
import { createCompanySettings } from "./companies/company-settings.ts";
import { createSecondFactorRule } from "./companies/second-factor-rule.ts";
import { createSuspension } from "./companies/suspension.ts";
import { createSignInSteps } from "./companies/sign-in-steps.ts";
import { createUsers } from "./companies/users.ts";
import { createSignInSecrets } from "./keys/sign-in-secrets.ts";
import { createHealth } from "./health/system-health.ts";
import type { ServingProcess } from "./keys/rotation/process-registry.ts";
import { createSecretMaintenance } from "./jobs/maintenance.ts";
import { createRetentionJobs } from "./jobs/retention-jobs.ts";
import { createLegacyImport, defineLegacyImport } from "./migration/legacy/import.ts";
import { defineMigration } from "./migration/migration-run.ts";
import { createMigrations } from "./migration/migrations.ts";
import { createMirroring } from "./migration/mirror/mirroring.ts";
import { createShadowReads } from "./migration/shadow-reads.ts";
import { requireChecks } from "./providers/credential-check.ts";
import { providerChecks } from "./providers/provider-checks.ts";
import { requireSchemes } from "./providers/value-schemes.ts";
import { webhookVerifiers } from "./providers/webhook-schemes.ts";
import { requireVerifiers } from "./providers/webhook-verification.ts";
import { requireDrivers, rotationDrivers } from "./rotation/drivers/drivers.ts";
import { createBeats } from "./regions/beats.ts";
import { createCompanyRegions } from "./regions/company-regions.ts";
import { createRegionStatus } from "./regions/region-status.ts";
import { createAdoption } from "./regions/adoption.ts";
import { createRegionReceipts } from "./regions/receipts.ts";
import { defineMove } from "./regions/moves/move-run.ts";
import { createMoves } from "./regions/moves/moves.ts";
import { createRegions } from "./regions/regions.ts";
import { createRegionVerification } from "./regions/verification/verification.ts";
import { createRunControl } from "./runs/run-control.ts";
import { tryInfisicalRights } from "./stores/infisical/infisical-rights.ts";
import { createOutsideSettlement } from "./stores/infisical/outside-settlement.ts";
import { createValueSearch } from "./vault/search.ts";
import { createExports } from "./vault/exports.ts";
import { createVault } from "./vault/vault.ts";

/**
 * Puts the parts together, without a lifecycle: the front door is `createTenantSecrets`. Opens and loads nothing.
 *
 * @param replacements to measure or test other parts
 * @throws {TypeError} if the catalogue names a check, a verifier or a rotation driver that is not there, or a scheme that its
 *   entry rejects; for a retention outside of its bounds
 */
export function assembleTenantSecrets<C extends Catalog>(
  options: AssemblyOptions<C>,
  { openAuditLog, replaceStores }: Replacements = {},
): Assembly<C> {
  const { catalog, signIn, accounts } = options;
  const verifiers = { ...webhookVerifiers(), ...options.verifiers };
  requireVerifiers(catalog, verifiers);
  const checks = options.checks ?? providerChecks();
  requireChecks(catalog, checks);
  requireSchemes(catalog);
  const drivers = options.drivers ?? rotationDrivers();
  requireDrivers(catalog, drivers);

  const base = assembleBase(options, openAuditLog);
  const {
    database,
    infisical,
    companyKeys,
    rowKeys,
    audit,
    authentic,
    operations,
    loadSigningKey,
    ownRegion,
  } = base;
  const cacheOptions = { ...defaultCache, ...options.cache };
  const limits = createRateLimits(database, audit, options.limits);
  const rows = createCompanyRows(database, authentic, { ...cacheOptions, ownRegion });
  const companies = limitedCompanies(createCompanies(operations, rows), {
    limits,
    catalog,
  });
  const stamps = createStamps(companies);
  const { staleIfErrorMs } = cacheOptions;
  const authentication = createAuthentication({ ...base, limits, signIn, staleIfErrorMs });

  const signInSecrets = createSignInSecrets({ database, infisical, operations });
  const mailing =
    options.mail && createMailing(options.mail, () => signInSecrets.load(), noteMailIn(database));

  const held = assembleStores(base, { catalog, quotas: options.quotas, cacheOptions, replaceStores });
  const { stores, copies, cache, databaseStore, announceOutside: announce } = held;
  const { shadowSample = 0.01, mirrorRequestsPerMinute = 60 } = options;
  const shadowReads = createShadowReads({ ...base, databaseStore, sample: shadowSample });
  const onServed = shadowReads.served;
  const vault = createVault({
    ...base,
    catalog,
    companies,
    stores,
    copies,
    cache,
    verifiers,
    checks,
    onServed,
  });
  const keys = assembleKeys(base, {
    catalog,
    companies,
    stores,
    copies,
    destination: options.backupDestination,
    gate: createApprovalGate(options.operatorApprovals ?? 2),
    forget: (companyId) => rows.invalidate(companyId),
    mailing,
  });
  const importParts = { ...base, ...held, catalog, companies };
  const legacyImport = defineLegacyImport(importParts);
  const forget = (companyId: string): void => rows.invalidate(companyId);
  const migration = defineMigration({ ...base, ...held, catalog, rows, forget });
  const move = defineMove({ ...base, forget });
  const outbound = options.outbound ?? createOutbound();
  const { rotationLeastSeconds: leastSeconds } = options;
  const rotationParts = { ...held, catalog, companies, rows, vault, drivers, checks, outbound, leastSeconds };
  const { service: rotation, run: rotationRun } = assembleRotation(base, rotationParts);
  const measurements = () => ({
    cache: cache.measure(),
    backfill: held.hybridStore.measure(),
    shadowReads: shadowReads.measure(),
    expiredReads: vault.expiredReads(),
    copies: base.copyAges.measure(),
    eventsLost: base.eventsLost(),
    externalKeyFailures: base.externalFailures.measure(),
  });
  const adoption = createAdoption(base);
  const retention = createRetention(options.retention, options.auditRetentionDays);
  const runKinds = [...keys.runs, legacyImport, migration, rotationRun, move];
  const serve = createServe(
    { ...base, retention },
    { adoption, rows, authentication, cache, stamps, shadowReads },
  );
  let member: ServingProcess | undefined;

  return {
    catalog,
    describeCatalog: () => describeCatalog(catalog),
    vault,
    exports: createExports({ ...base, companies }),
    maintenance: createSecretMaintenance({ ...base, retention }),
    outsideSettlement: createOutsideSettlement({ ...base, announce }),
    searchValues: createValueSearch({ operations, companies, companyKeys, ownRegion }),
    companies,
    stamps,
    suspension: createSuspension(operations, ownRegion),
    secondFactorRule: createSecondFactorRule(operations, companies, ownRegion),
    companySettings: createCompanySettings(operations, companies),
    authenticate: authentication.authenticate,
    limits,
    apiKeys: createApiKeys(operations, companies),
    members: createMembers(operations, companies, accounts),
    users: createUsers(operations, accounts),
    signInSteps: createSignInSteps(audit, limits),
    me: createMe({ ...base, rows, accounts }),
    invitations: createInvitations(operations, companies, mailing),
    acceptance: createAcceptance({ ...base, limits, accounts }),
    mailing,
    signInSecrets,
    isSignedIn: async (headers) => (await signIn?.(headers)) !== undefined,
    operators: createOperators(operations),
    regionVerification: createRegionVerification(base),
    adoption,
    regionReceipts: createRegionReceipts(base),
    regions: createRegions({
      ...base,
      renewal: keys.renewal,
      address: options.address,
      ownRegion: base.masterKeys.region,
    }),
    regionStatus: createRegionStatus({ ...base, ownRegion }),
    startBeats: createBeats({ ...base, ownRegion }),
    companyRegions: createCompanyRegions({ ...base, companies, ownRegion }),
    moves: createMoves({ ...base, companies, catalog, run: move, forget }),
    approvals: createApprovals(base),
    importLegacy: createLegacyImport(importParts, legacyImport),
    migrations: createMigrations({ operations, run: migration, catalog, ownRegion }),
    mirroring: createMirroring({ ...base, catalog, rows, requestsPerMinute: mirrorRequestsPerMinute }),
    ...assembleNotifications(base, { companies, outbound }),
    rotation,
    ...keys.services,
    runs: createRunControl({ database, operations, companies }, runKinds),
    retention: createRetentionJobs({ ...base, retention }, runKinds),
    audit: createAuditService({ ...base, companies, loadMacKey: base.auditKeys }),
    ...createCompanyHandles({ catalog, vault, companies }),
    system: createHealth({ ...base, measurements, isListening: () => member?.isListening() }),
    measurements,
    createSealer: (sealerOptions) =>
      createSealer({ database, loadSigningKey }, recordingChanges(audit, sealerOptions)),
    serve: async (listenerUrl, onAlarm) => (member = await serve(listenerUrl, onAlarm)),
    prepare: async () => {
      await audit.ready();
      await rowKeys.load().catch(throwTenantSecretsError);
      if (mailing !== undefined || accounts !== undefined) await signInSecrets.load();
    },
    tryInfisicalRights: () => tryInfisicalRights(database, infisical).catch(throwTenantSecretsError),
    flush: () => audit.flush(),
    stop: async () => {
      await databaseStore.lastUsed.flush();
      await audit.stop();
    },
  };
}
