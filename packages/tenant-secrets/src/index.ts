export type { AuditAction } from "./access/audit.ts";
export type { RateLimitOptions } from "./access/rate-limits.ts";
export type { QuotaOptions } from "./stores/quotas.ts";
export { defineCatalog, type Catalog, type SecretKeyOf, type ValueOf } from "./catalog/catalog.ts";
export type {
  CompanySecrets,
  SecretDescription,
  SecretList,
  WriteOptions,
  WriteResult,
} from "./catalog/company-secrets.ts";
export { deliveryChatCatalog } from "./catalog/delivery-chat.ts";
export type { ApiKeyDescription, NewApiKey } from "./companies/api-keys.ts";
export type { AuthenticationRequest, RequestOrigin, SignIn } from "./companies/authenticate.ts";
export type { CompanyDescription } from "./companies/companies.ts";
export { CredentialRejected } from "./vocabulary/credential-rejected.ts";
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
export { asTenantSecretsError } from "./access/database-errors.ts";
export {
  readReceipt,
  verifyReceipt,
  type ShreddingReceipt,
  type SignedReceipt,
} from "./keys/shredding-receipt.ts";
export { checkBackupDestination, type BackupDestination } from "./keys/kept-backup.ts";
export type { ServingProcess } from "./keys/processes.ts";
export type { RotationReport } from "./keys/report.ts";
export { rotationInterrupted } from "./keys/rotation.ts";
export { createExportVerifier, type ExportedEvent, type ExportVerifier } from "./record/export-lines.ts";
export type { RecordedEvent } from "./record/reader.ts";
export {
  sealerAlarms,
  type RunningSealer,
  type SealedBatch,
  type Sealer,
  type SealerAlarm,
  type SealerOptions,
} from "./record/sealer.ts";
export type { RecordVerification } from "./record/verify.ts";
export { createTasks, schedule } from "./lifecycle/jobs.ts";
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
  type Services,
  type TenantSecrets,
  type TenantSecretsOptions,
} from "./tenant-secrets.ts";
export { job, type Actor, type Caller, type Grant, type Verb } from "./vocabulary/actor.ts";
export { errorCodes, TenantSecretsError, type ErrorCode } from "./vocabulary/errors.ts";
export type { CacheOptions } from "./cache/cache-options.ts";
export type { CacheMeasurements } from "./cache/kept-answers.ts";
export type { AdoptionMeasurements } from "./stores/adoption.ts";
export type { Measurements } from "./vault/measurements.ts";
