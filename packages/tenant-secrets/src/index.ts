export {
  asTenantSecretsError,
  type AuditAction,
  type AuditVerification,
  type RunningSealer,
  type SealedBatch,
  type Sealer,
  type SealerAlarm,
  sealerAlarms,
  type SealerOptions,
} from "@repo/audit-log";
export { createExportVerifier, type ExportedEvent, type ExportVerifier } from "@repo/audit-log/verify";
export {
  type Actor,
  type ApiKeyDescription,
  type Caller,
  type Catalog,
  type CompanyDescription,
  type CompanySecrets,
  CredentialRejected,
  defineCatalog,
  type ErrorCode,
  errorCodes,
  type Grant,
  systemCaller,
  type NewApiKey,
  type RunDescription,
  type SecretDescription,
  type SecretKeyOf,
  type SecretList,
  TenantSecretsError,
  type ValueOf,
  type Verb,
  type WriteOptions,
  type WriteResult,
} from "@repo/catalog";
export type { RateLimitOptions } from "./access/rate-limits.ts";
export type { QuotaOptions } from "./stores/database/quotas.ts";
export type { AuthenticationRequest, RequestOrigin, SignIn } from "./companies/authenticate.ts";
export type { CompanyScope } from "./companies/companies.ts";
export {
  checkDeadlineMs,
  type CredentialCheck,
  type CredentialChecks,
} from "./providers/credential-check.ts";
export { providerChecks, type ProviderUrls } from "./providers/provider-checks.ts";
export type {
  WebhookRequest,
  WebhookVerdict,
  WebhookVerifier,
  WebhookVerifiers,
} from "./providers/webhook-verification.ts";
export {
  readReceipt,
  verifyReceipt,
  type ShreddingReceipt,
  type SignedReceipt,
} from "./keys/shredding/receipt.ts";
export { checkBackupDestination, type BackupDestination } from "./keys/backup/destination.ts";
export type { ServingProcess } from "./keys/rotation/process-registry.ts";
export type { RotationReport } from "./keys/rotation/report.ts";
export type { AuditEvent } from "./audit/audit-service.ts";
export type { RunProgress } from "./runs/definition.ts";
export { RunStopped } from "./runs/lease.ts";
export { createTasks, schedule } from "./jobs/jobs.ts";
export type { LegacyImportOptions } from "./migration/legacy-import.ts";
export type { LegacyOutcome, LegacyResult } from "./migration/legacy-outcome.ts";
export type { LegacyRow } from "./migration/legacy-row.ts";
export { appRouter, createCaller, type AppRouter } from "./router/router.ts";
export { serverCaller } from "./router/server-caller.ts";
export { inProcessFetch } from "./router/in-process.ts";
export {
  createCallerContext,
  createContext,
  httpStatusOf,
  publicError,
  requestOf,
  type Context,
} from "./router/trpc.ts";
export {
  createTenantSecrets,
  type CompanySecretsOnServer,
  type TenantSecrets,
  type TenantSecretsOptions,
} from "./tenant-secrets.ts";
export type { Services } from "./product-services.ts";
export type { CacheOptions } from "./cache/cache-options.ts";
export type { CacheMeasurements } from "./cache/cache.ts";
export type { BackfillMeasurements } from "./stores/hybrid/backfill.ts";
export type { Measurements } from "./vault/measurements.ts";
