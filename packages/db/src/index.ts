export { arrayText } from "./array-text.ts";
export type { DatabaseCall } from "./calls.ts";
export { announceSecret, listenForChanges, nameTagOf, type Change, type ChangeListener } from "./changes.ts";
export {
  type Across,
  connectDatabase,
  type Database,
  type DatabaseOptions,
  type ListeningDatabase,
  maintenanceConnections,
  type Statements,
} from "./connect.ts";
export { DatabaseError, scrubDatabaseError, type DatabaseErrorKind } from "./errors.ts";
export { type ForeignLogin, inForeignDatabase, type Run } from "./foreign.ts";
export { ConnectionProblem, explainConnection, inspectConnection, type Finding } from "./inspect.ts";
export { readLegacyRows, type LegacySource } from "./legacy-rows.ts";
export {
  findApiKeyRow,
  findCompanyRow,
  findCompanyRowById,
  findOperatorRow,
  findUserRow,
  touchApiKey,
  type ApiKeyRow,
  type Authenticated,
  type CompanyRow,
  type MembershipRow,
  type OperatorRow,
  type UserRow,
} from "./look-ups.ts";
export { enqueueJob, enqueueJobs, type NewJob } from "./jobs/enqueue.ts";
export { selectJobsState } from "./jobs/state.ts";
export { migrateDatabase } from "./migrate.ts";
export { readDatabaseSchema, SchemaError } from "./releases/schema-state.ts";
export { provisionDatabase, type DatabaseUrls } from "./provision.ts";
export { createSecretHeads, type ReadSecretHead, type SecretHeadRow } from "./secret-heads.ts";
export { connectSignInDatabase, signInConnections, type SignInDatabase } from "./sign-in.ts";
export { findTracer } from "./tracer.ts";
export { databasePlaces, type DatabasePlace, DatabaseUrlError } from "./url.ts";
export { databaseUrlVariable, databaseVariables } from "./variables.ts";
export { encryptedColumns } from "./schema.ts";
export { type Canary, defaultReminderDays, maxGraceWindows, type GraceWindow } from "./schema/secrets.ts";
export * as tables from "./schema.ts";
