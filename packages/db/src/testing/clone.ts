import { randomBytes } from "node:crypto";
import type postgres from "postgres";
import { migrateDatabase } from "../migrate.ts";
import { connectOnce, execute, provisionDatabase, restrictDatabase } from "../provision.ts";
import type { DatabaseUrls } from "../provision.ts";
import { databaseUrl } from "../url.ts";

/** A server with a migrated database that test databases are copies of. */
export interface TestCluster {
  readonly superuserUrl: string;
  readonly template: string;
  /** Of the template; a copy has the same roles and passwords. */
  readonly urls: DatabaseUrls;
}

export interface TestDatabase {
  readonly urls: DatabaseUrls;
  /** Of this database. The superuser is not bound by row-level security. */
  readonly superuserUrl: string;
  /** The database as it is now, as another one. Whatever is connected to this one loses its connection. */
  readonly copy: () => Promise<TestDatabase>;
  /** Ends whatever is connected to it, and removes it. */
  readonly drop: () => Promise<void>;
}

/** Without them data is written to no disk: it lives for one run, and nothing has to survive a power cut. */
export const unsafeSettings = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" };

/** Makes the roles and the template on a server that belongs to tests alone. */
export async function createTemplate(superuserUrl: string): Promise<TestCluster> {
  const template = "tenant_secrets_template";
  const urls = await provisionDatabase({ superuserUrl, database: template });
  await migrateDatabase(urls.migration);
  // A template with open connections cannot be copied.
  await asSuperuser(superuserUrl, (sql) =>
    execute(sql, "alter database %I with allow_connections false", template),
  );
  return { superuserUrl, template, urls };
}

/** @param template default: that of the cluster */
export async function cloneDatabase(
  cluster: TestCluster,
  template: string = cluster.template,
): Promise<TestDatabase> {
  const database = newName();
  await asSuperuser(cluster.superuserUrl, async (sql) => {
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${template}`;
    // Of the two ways to copy one the quicker where nothing is synchronised to a disk.
    await execute(
      sql,
      "create database %I template %I strategy file_copy owner tenant_secrets_migration",
      database,
      template,
    );
    await restrictDatabase(sql, database);
  });
  return asTestDatabase(cluster, database);
}

/** As `provisionDatabase` leaves one, without tables. */
export async function emptyDatabase(cluster: TestCluster): Promise<TestDatabase> {
  const database = newName();
  await asSuperuser(cluster.superuserUrl, async (sql) => {
    await execute(sql, "create database %I template template0 owner tenant_secrets_migration", database);
    await restrictDatabase(sql, database);
  });
  return asTestDatabase(cluster, database);
}

const newName = (): string => `test_${randomBytes(8).toString("hex")}`;

function asTestDatabase(cluster: TestCluster, database: string): TestDatabase {
  return {
    urls: {
      application: databaseUrl(cluster.urls.application, database),
      maintenance: databaseUrl(cluster.urls.maintenance, database),
      migration: databaseUrl(cluster.urls.migration, database),
      listener: databaseUrl(cluster.urls.listener, database),
      signIn: databaseUrl(cluster.urls.signIn, database),
    },
    superuserUrl: databaseUrl(cluster.superuserUrl, database),
    copy: () => cloneDatabase(cluster, database),
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
