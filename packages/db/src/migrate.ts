import { fileURLToPath } from "node:url";
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";
import { applyRules } from "./rules.ts";
import { scrubDatabaseError } from "./errors.ts";
import { connectOnce } from "./provision.ts";

const MIGRATIONS = fileURLToPath(new URL("../migrations", import.meta.url));
const MIGRATION_LOCK = 7_274_002;
const LOCK_TIMEOUT_MS = 60_000;
const LOCK_NOT_AVAILABLE = "55P03";

/**
 * Brings a database that `provisionDatabase` made to the newest version of its tables, and of the rules around them.
 * Processes that start together may all call it: the first does the work, the others wait for it.
 *
 * @param migrationUrl of the role that owns the database
 * @param lockTimeoutMs how long to wait for another process's migrations
 * @throws {Error} when another process still migrates after that time; drizzle's own when a migration fails, which
 * is then rolled back completely
 */
export async function migrateDatabase(migrationUrl: string, lockTimeoutMs = LOCK_TIMEOUT_MS): Promise<void> {
  // On a connection of its own, in a transaction: it ends with that one also where a pooler keeps the session.
  const holder = connectOnce(migrationUrl);
  const client = connectOnce(migrationUrl);
  try {
    await holder.begin(async (inside) => {
      await inside`select set_config('lock_timeout', ${String(lockTimeoutMs)}, true),
        set_config('idle_in_transaction_session_timeout', '0', true)`;
      await acquireLock(inside, lockTimeoutMs);
      // The job runner needs another driver, which is loaded only here.
      const { migrateJobs } = await import("./jobs/schema.ts");
      await migrateJobs(migrationUrl);
      await migrate(drizzle({ client }), {
        migrationsFolder: MIGRATIONS,
        migrationsSchema: "drizzle",
        migrationsTable: "migrations",
      });
      await applyRules(client);
    });
  } catch (thrown) {
    throw scrubDatabaseError(thrown);
  } finally {
    // Fails if the lock was lost with its connection, so that no migration continues without it.
    await Promise.all([client.end({ timeout: 0 }), holder.end({ timeout: 5 })]);
  }
}

async function acquireLock(sql: postgres.ISql, lockTimeoutMs: number): Promise<void> {
  try {
    await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`;
  } catch (cause) {
    if (!(cause instanceof postgres.PostgresError) || cause.code !== LOCK_NOT_AVAILABLE) throw cause;
    throw new Error(
      `Another process has been migrating this database for more than ${lockTimeoutMs / 1_000} s. ` +
        "See pg_locks (locktype advisory) for who it is.",
      { cause },
    );
  }
}
