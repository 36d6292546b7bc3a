export { asTenantSecretsError } from "@repo/audit-log";
export {
  type Actor,
  type Caller,
  type Catalog,
  type CompanySecrets,
  CredentialRejected,
  defineCatalog,
  type ErrorCode,
  type Grant,
  jsonSecret,
  type NewApiKey,
  stripeSecretKey,
  systemCaller,
  TenantSecretsError,
  textSecret,
  type WriteOptions,
} from "@repo/catalog";
export type { RateLimitOptions } from "./access/rate-limits.ts";
export { retentionBounds, type RetentionOptions } from "./access/retention.ts";
export type { CompanySecretsOnServer } from "./assembly/assembly.ts";
export type { CacheOptions } from "./cache/cache-options.ts";
export type { Accounts } from "./companies/accounts.ts";
export type { AuthenticationRequest, SignIn } from "./companies/authenticate.ts";
export { createTasks, schedule } from "./jobs/jobs.ts";
export type { BackupDestination } from "./keys/backup/destination.ts";
export type { Services } from "./product-services.ts";
export type { CredentialChecks } from "./providers/credential-check.ts";
export { providerChecks } from "./providers/provider-checks.ts";
export type { WebhookVerifiers } from "./providers/webhook-verification.ts";
export type { QuotaOptions } from "./stores/database/quotas.ts";
export {
  type Administration,
  createTenantSecrets,
  type TenantSecrets,
  type TenantSecretsOptions,
} from "./tenant-secrets.ts";
export type { Measurements } from "./vault/measurements.ts";
