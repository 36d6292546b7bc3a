export { type Catalog, defineCatalog, isCatalog, type SecretKeyOf, type ValueOf } from "./catalog/catalog.ts";
export type {
  CompanySecrets,
  LocalReads,
  OpenValue,
  SecretTransport,
  SecretValues,
} from "./catalog/company-secrets.ts";
export { customSecret } from "./catalog/custom.ts";
export { describeCatalog, jsonSchemaOf } from "./catalog/describe.ts";
export { type CatalogEntry, jsonSecret, textSecret, type ValueScheme } from "./catalog/entry.ts";
export { githubWebhookSecret } from "./catalog/github.ts";
export { OAuthClient, oauthClient, OAuthTokens, oauthTokens } from "./catalog/oauth.ts";
export { PostgresLogin, postgresLogin } from "./catalog/postgres.ts";
export { sendgridApiKey } from "./catalog/sendgrid.ts";
export { slackSigningSecret } from "./catalog/slack.ts";
export { stripeSecretKey, stripeWebhookSecret } from "./catalog/stripe.ts";
export { companySecrets } from "./catalog/typed-secrets.ts";
export { checkFoundText, checkValueText, lastFourOf } from "./catalog/value.ts";
export { maxValueBytes } from "./catalog/value-text.ts";
export { webhookSigningSecret } from "./catalog/webhook.ts";
export {
  apiKeyOperations,
  type ApiKeyDescription,
  type ApiKeyRotation,
  type CreatedApiKey,
  type NewApiKey,
  type RotatedApiKey,
} from "./operations/api-keys.ts";
export {
  type ApprovalDescription,
  approvalOperations,
  ApprovalParameters,
  type ApprovedAction,
} from "./operations/approvals.ts";
export {
  type AuditEvent,
  type AuditFilters,
  type AuditListOptions,
  auditOperations,
  AuditOutcome,
  type AuditProof,
  type AuditSummary,
  type AuditSummaryOptions,
} from "./operations/audit.ts";
export { type CatalogDescription, catalogOperations } from "./operations/catalog.ts";
export type { Check, CheckedVersion, CheckResult, ReportedOutcome } from "./operations/checks.ts";
export {
  companiesOperations,
  type CompanyDeletion,
  type CompanyDescription,
  type CompanyOverview,
  type CompanySettings,
  type CompanyStamp,
  type ExternalKeyState,
  type NewCompany,
} from "./operations/companies.ts";
export {
  type GraceOptions,
  maxBatchSecrets,
  maxReminderDays,
  type RequestOptions,
} from "./operations/fields.ts";
export { type Export, exportOperations, type ExportPage, type ExportQuery } from "./operations/exports.ts";
export {
  type ComparedEntry,
  type ExportedSecrets,
  FileFormat,
  LeftOutReason,
  UnreadEntry,
} from "./operations/files.ts";
export { keyOperations, type KeyStatus, type KnownKeyBackup, RotationPhase } from "./operations/keys.ts";
export {
  type Account,
  meOperations,
  myBackupCodeOperations,
  myPasskeyOperations,
  mySessionOperations,
  myTotpOperations,
  type NewPasskey,
  type OwnPasskeys,
  type OwnSessions,
  type PasskeyOptions,
  type RenamedPasskey,
  type TotpCode,
} from "./operations/me.ts";
export {
  callsOf,
  type CompanyOperation,
  type InputOf,
  type OperationDefinition,
  type OutputOf,
  type PublicOperationDefinition,
  type ServiceFacts,
} from "./operations/operation.ts";
export {
  type AcceptedInvitation,
  type InvitationAnswer,
  InvitationDescription,
  invitationLinkOperations,
  invitationOperations,
  type InvitationView,
  type MadeApiKey,
  type MadeKeys,
  type MakerLeaves,
  type MemberDescription,
  memberOperations,
  type NewInvitation,
  type NewMember,
  type NewRole,
  type RemovedMember,
  userOperations,
  type UserPage,
  type UserQuery,
} from "./operations/people.ts";
export { type OperatorDescription, operatorOperations } from "./operations/operators.ts";
export {
  type AddedRegion,
  type CompanyRegion,
  companyRegionOperations,
  type NewRegion,
  type RegionDescription,
  type RegionReceipt,
  type RegionIdentityText,
  regionOperations,
  type RegionStatus,
} from "./operations/regions.ts";
export { regionVerificationOperations } from "./operations/region-verification.ts";
export { type LeaveOptions, type LeftHome, moveOperations, type TakenOver } from "./operations/moves.ts";
export { countsInWords, findingMeanings } from "./operations/migration-findings.ts";
export {
  type CompanyMigration,
  CompanyMigrationResult,
  type CompanyStore,
  type CompanyStoresQuery,
  type Finding,
  FindingCode,
  maxFindings,
  type MigrationCompaniesQuery,
  type MigrationCounts,
  migrationOperations,
  type MigrationRequest,
  type MirrorRequest,
  type ShadowReads,
  MigrationVerb,
} from "./operations/migrations.ts";
export { durationMs, RotationSchedule, windowEnds } from "./operations/rotation-schedule.ts";
export {
  type CompromisedRotation,
  type CompromisedRotationInput,
  rotationOperations,
  RotationCanary,
  RotationOutcome,
  type RotationPolicyDescription,
  type RotationPolicyInput,
  type RotationPolicyList,
  RotationReason,
  type RotationRunDescription,
  type RotationRunDetails,
  type RotationRunQuery,
  type RotationSupply,
  RotationTrigger,
} from "./operations/rotation.ts";
export type { RotationRunState } from "./operations/rotation-states.ts";
export { type RunDescription, runOperations, type RunQuery } from "./operations/runs.ts";
export { type SystemHealth, systemOperations } from "./operations/system.ts";
export { type SearchedValue, searchOperations, type ValueSearch } from "./operations/search.ts";
export type { RemovedSecret, SecretDescription } from "./operations/secret-descriptions.ts";
export type { CopyMark, Freshness, ListOptions, ReadValue, SecretList } from "./operations/secret-reads.ts";
export type {
  BatchWriteOptions,
  BatchWriteResult,
  RemoveOptions,
  RemoveResult,
  SetResult,
  StageOptions,
  TextWrite,
  WriteOptions,
  WriteResult,
} from "./operations/secret-writes.ts";
export { vaultOperations, type VaultOperations } from "./operations/vault.ts";
export type {
  Capabilities,
  DiscardOptions,
  Expiry,
  HistoryOptions,
  PendingOptions,
  PromoteOptions,
  PurgeOptions,
  RollbackOptions,
  SecretHistory,
  SecretVersion,
  Stage,
} from "./operations/versions.ts";
export {
  type DeliveryDescription,
  type DeliveryQuery,
  type DeliveryState,
  type EndpointChange,
  type EndpointDescription,
  type EndpointRoll,
  type EndpointWithSecret,
  maxEndpoints,
  type NewEndpoint,
  type Replay,
  type TestResult,
  webhookOperations,
} from "./operations/webhooks.ts";
export {
  type Actor,
  ApiKeyVerb,
  type Caller,
  type Grant,
  type OperatorActor,
  type OperatorLink,
  personOf,
  type Session,
  systemCaller,
  RevealPurpose,
  Role,
  type ServiceActor,
  type UserActor,
  type Verb,
  verbs,
} from "./vocabulary/actor.ts";
export { recipientsFault } from "./vocabulary/age-recipients.ts";
export { CredentialRejected } from "./vocabulary/credential-rejected.ts";
export {
  approvalRequired,
  batchRefused,
  companySuspended,
  type ErrorCode,
  errorCodes,
  type ErrorDetails,
  confirmationRequired,
  forbidden,
  keyDestroyed,
  wrongRegion,
  KeyReplacedError,
  notFound,
  type SecretFailure,
  TenantSecretsError,
  unauthenticated,
} from "./vocabulary/errors.ts";
export { parseJson } from "./vocabulary/json.ts";
export { malformedInput } from "./vocabulary/malformed-input.ts";
export {
  type CompanyId,
  displayNameRule,
  isDisplayName,
  SecretKey,
  SecretKeyPattern,
  SecretStoreName,
  Subdomain,
} from "./vocabulary/names.ts";
export {
  type CompanyNotificationType,
  companyNotificationTypes,
  concernsPlatform,
  findNotification,
  isNotificationType,
  type Notification,
  type NotificationType,
  notificationTypes,
  sentWhileSuspended,
} from "./vocabulary/notifications.ts";
export { patternCovers } from "./vocabulary/patterns.ts";
export { wire } from "./vocabulary/wire.ts";
