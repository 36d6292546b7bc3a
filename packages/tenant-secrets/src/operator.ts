// For the command line of an operator: what is verified without a database, and the reports of long work.
export { checkBackupDestination } from "./keys/backup/destination.ts";
export type { RotationReport } from "./keys/rotation/report.ts";
export { ShreddingReceipt } from "./keys/shredding/receipt.ts";
export type { LegacyImportOptions } from "./migration/legacy/import.ts";
export type { LegacyOutcome, LegacyResult } from "./migration/legacy/outcome.ts";
export type { LegacyRow } from "./migration/legacy/row.ts";
export { verifyMigrationReport, type MigrationReport } from "./migration/report.ts";
export {
  type FaultKind,
  readRegionReport,
  type RegionReport,
  verifyRegionReport,
} from "./regions/verification/report.ts";
export { ExportReceipt } from "./vault/export-receipt.ts";
export { type Receipt, verifyReceipt } from "./receipts.ts";
export { readReceipt, type SignedReceipt } from "./runs/signed-receipt.ts";
export type { RunProgress } from "./runs/definition.ts";
export { RunStopped } from "./runs/lease.ts";
export type { RunDescription } from "@repo/catalog";
