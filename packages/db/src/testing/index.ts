import { inject } from "vitest";
import { cloneDatabase, emptyDatabase, type TestCluster, type TestDatabase } from "./clone.ts";

export type { TestDatabase } from "./clone.ts";
export { partitionByCompany, partitionCount, wholeTables } from "./partitions.ts";
export { readPlans, type ExecutedStatement } from "./plans.ts";
export { findPgBouncer, startPgBouncer } from "./pgbouncer.ts";
export { startTransactionPooler, type PoolerOptions, type TransactionPooler } from "./transaction-pooler.ts";
export {
  type PlainServer,
  type RegionServer,
  replicate,
  type Replication,
  startRegion,
  startServer,
} from "./two-regions.ts";
export { whenDone } from "./when-done.ts";
export { releases } from "../releases/released.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** See cluster.ts. */
    readonly testCluster: TestCluster;
  }
}

/** A migrated, empty database of a test file's own. The file is one of the vitest project that has the cluster. */
export function createTestDatabase(): Promise<TestDatabase> {
  return cloneDatabase(inject("testCluster"));
}

/** As `provisionDatabase` leaves one, without tables. */
export function createEmptyDatabase(): Promise<TestDatabase> {
  return emptyDatabase(inject("testCluster"));
}
