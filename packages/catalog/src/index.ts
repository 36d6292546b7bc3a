export { type Catalog, defineCatalog, isCatalog, type SecretKeyOf, type ValueOf } from "./catalog/catalog.ts";
export {
  type BatchOptions,
  type BatchWriteOptions,
  type BatchWriteResult,
  type Capabilities,
  type Check,
  type CheckResult,
  type CompanySecrets,
  type DiscardOptions,
  type Expiry,
  type ExpiryOptions,
  type GraceOptions,
  type HistoryOptions,
  type ListOptions,
  maxBatchSecrets,
  maxGraceSeconds,
  maxReminderDays,
  type OpenValue,
  type PendingOptions,
  type PromoteOptions,
  type PurgeOptions,
  type RemoveOptions,
  type RemoveResult,
  type ReportedOutcome,
  type RequestOptions,
  type RollbackOptions,
  type SecretDescription,
  type SecretHistory,
  type SecretList,
  type SecretTransport,
  type SecretVersion,
  type SetResult,
  type Stage,
  type StageOptions,
  type TextWrite,
  type WriteOptions,
  type WriteResult,
} from "./catalog/company-secrets.ts";
export { customSecret } from "./catalog/custom.ts";
export { type CatalogEntry, jsonSecret, textSecret } from "./catalog/entry.ts";
export { githubWebhookSecret } from "./catalog/github.ts";
export { openValueOf } from "./catalog/active-value.ts";
export { OAuthClient, oauthClient } from "./catalog/oauth.ts";
export { sendgridApiKey } from "./catalog/sendgrid.ts";
export { slackSigningSecret } from "./catalog/slack.ts";
export { stripeSecretKey, stripeWebhookSecret } from "./catalog/stripe.ts";
export { companySecrets } from "./catalog/typed-secrets.ts";
export { checkFoundText, checkValueText, lastFourOf, maxValueBytes } from "./catalog/value.ts";
export { webhookSigningSecret } from "./catalog/webhook.ts";
export { parseEnvFile, writeEnvFile } from "./file-formats/env-file.ts";
export type { FileEntry } from "./file-formats/file-text.ts";
export { type Comparison, planImport, type PlannedEntry } from "./file-formats/import-plan.ts";
export { parseJsonFile, writeJsonFile } from "./file-formats/json-file.ts";
export {
  type Actor,
  ApiKeyVerb,
  type Caller,
  type Grant,
  systemCaller,
  RevealPurpose,
  Role,
  type ServiceActor,
  type Verb,
  verbs,
} from "./vocabulary/actor.ts";
export { CredentialRejected } from "./vocabulary/credential-rejected.ts";
export {
  batchRefused,
  type ErrorCode,
  errorCodes,
  type ErrorDetails,
  forbidden,
  keyDestroyed,
  KeyReplacedError,
  notFound,
  type SecretFailure,
  TenantSecretsError,
  unauthenticated,
} from "./vocabulary/errors.ts";
export { malformedInput } from "./vocabulary/malformed-input.ts";
export {
  type CompanyId,
  displayNameRule,
  isDisplayName,
  patternCovers,
  SecretKey,
  SecretKeyPattern,
  SecretStoreName,
  Subdomain,
} from "./vocabulary/names.ts";
export { wire } from "./vocabulary/wire.ts";
