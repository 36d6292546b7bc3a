export { parseCheckpoint, type Checkpoint, checkpointText, readPublicKeys } from "./checkpoint.ts";
export {
  asTenantSecretsError,
  isDatabaseUnavailable,
  isStoreUnavailable,
  throwTenantSecretsError,
} from "./database-errors.ts";
export { type AuditAction } from "./actions.ts";
export {
  type AuditEntry,
  type AuditKey,
  type AuditLog,
  type AuditOutcome,
  isGenuine,
  type LostEvent,
  macFieldsOf,
} from "./event.ts";
export { firstLine } from "./export-format.ts";
export { acknowledgementOf, type Failover, lostCheckpointOf } from "./failovers.ts";
export { exportPage } from "./export.ts";
export type { SigningKey } from "./keys.ts";
export type { EventRow } from "./leaf.ts";
export { merkleRoot } from "./merkle.ts";
export { canonicalAddress, networkOf } from "./network.ts";
export { createAuditRetention, measurePruning, type AuditRetention } from "./retention.ts";
export {
  createSealer,
  type RunningSealer,
  type SealedBatch,
  type Sealer,
  type SealerAlarm,
  sealerAlarms,
  type SealerOptions,
} from "./sealer.ts";
export {
  apiKeyState,
  approvalState,
  operatorState,
  regionState,
  rowTables,
  selectKeyCompanies,
  type StoredRow,
  invitationState,
  userState,
} from "./stored-rows.ts";
export { summarizedActions, type SummaryCounts } from "./summary.ts";
export { uuidv7 } from "./uuid.ts";
export type { LoggedCheckpoint } from "./verify-checkpoint.ts";
export { type AuditVerification, type VerifyOptions, verifyAuditLog } from "./verify.ts";
export { createAuditLog } from "./writer.ts";
