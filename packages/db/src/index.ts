export { connectDatabase, type Database, type DatabaseOptions, type Statements } from "./connect.ts";
export { DatabaseError, type DatabaseErrorKind } from "./errors.ts";
export {
  findApiKeyRow,
  findCompanyRow,
  findOperatorRow,
  readSecretHead,
  touchApiKey,
  type ApiKeyRow,
  type CompanyRow,
  type OperatorRow,
  type SecretHeadRow,
} from "./look-ups.ts";
export { migrateDatabase } from "./migrate.ts";
export { provisionDatabase, type DatabaseUrls } from "./provision.ts";
export { databaseVariables } from "./variables.ts";
export * as tables from "./schema.ts";
