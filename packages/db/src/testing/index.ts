import { randomBytes } from "node:crypto";
import type postgres from "postgres";
import { inject } from "vitest";
import { connectOnce, execute, restrictDatabase } from "../provision.ts";
import { databaseUrl } from "../url.ts";
import type { DatabaseUrls } from "../provision.ts";

export { partitionByCompany, partitionCount, wholeTables } from "./partitions.ts";
export { readPlans, type ExecutedStatement } from "./plans.ts";
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
    readonly testCluster: {
      readonly superuserUrl: string;
      /** The migrated database that test databases are copies of. */
      readonly template: string;
      /** Of the template; a copy has the same roles and passwords. */
      readonly urls: DatabaseUrls;
    };
  }
}

export interface TestDatabase {
  readonly urls: DatabaseUrls;
  /** Of this database. The superuser is not bound by row-level security. */
  readonly superuserUrl: string;
  /** The database as it is now, as another one. Whatever is connected to this one loses its connection. */
  copy(): Promise<TestDatabase>;
  /** Ends whatever is connected to it, and removes it. */
  drop(): Promise<void>;
}

/** A migrated, empty database of a test file's own. The file is one of the vitest project that has the cluster. */
export function createTestDatabase(): Promise<TestDatabase> {
  return cloneDatabase(inject("testCluster").template);
}

/** As `provisionDatabase` leaves one, without tables. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  const database = newName();
  await asSuperuser(inject("testCluster").superuserUrl, async (sql) => {
    await execute(sql, "create database %I template template0 owner tenant_secrets_migration", database);
    await restrictDatabase(sql, database);
  });
  return asTestDatabase(database);
}

async function cloneDatabase(template: string): Promise<TestDatabase> {
  const database = newName();
  await asSuperuser(inject("testCluster").superuserUrl, async (sql) => {
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${template}`;
    // Of the two ways to copy one the quicker where nothing is synchronised to a disk: see cluster.ts.
    await execute(
      sql,
      "create database %I template %I strategy file_copy owner tenant_secrets_migration",
      database,
      template,
    );
    await restrictDatabase(sql, database);
  });
  return asTestDatabase(database);
}

const newName = (): string => `test_${randomBytes(8).toString("hex")}`;

function asTestDatabase(database: string): TestDatabase {
  const cluster = inject("testCluster");
  return {
    urls: {
      application: databaseUrl(cluster.urls.application, database),
      maintenance: databaseUrl(cluster.urls.maintenance, database),
      migration: databaseUrl(cluster.urls.migration, database),
      listener: databaseUrl(cluster.urls.listener, database),
      signIn: databaseUrl(cluster.urls.signIn, database),
    },
    superuserUrl: databaseUrl(cluster.superuserUrl, database),
    copy: () => cloneDatabase(database),
    drop: () =>
      asSuperuser(cluster.superuserUrl, (sql) =>
        execute(sql, "drop database if exists %I with (force)", database),
      ),
  };
}

async function asSuperuser(url: string, work: (sql: postgres.Sql) => Promise<void>): Promise<void> {
  const sql = connectOnce(url);
  try {
    await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
