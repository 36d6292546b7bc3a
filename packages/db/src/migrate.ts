import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { scrubDatabaseError } from "./errors.ts";
import { connectOnce } from "./provision.ts";
import { readMigrations, type Migration } from "./releases/migrations.ts";
import { ownSchema, type SchemaVersion } from "./releases/released.ts";
import { readSchemaVersion } from "./releases/schema-state.ts";
import { applyRules, hasRules, readRules } from "./rules.ts";

const MIGRATION_LOCK = 7_274_002;
const LOCK_TIMEOUT_MS = 60_000;
const LOCK_NOT_AVAILABLE = "55P03";

/** What {@link migrateDatabase} found and did. */
export interface MigrationOutcome {
  /** `newer`: a newer release has migrated the database, and nothing was changed. */
  readonly outcome: "migrated" | "up-to-date" | "newer";
  /** Of the database, now. */
  readonly schema: SchemaVersion;
}

/**
 * Brings a database that `provisionDatabase` made to the version of this release: its tables, and the rules around them, in one
 * transaction. Processes that start together may all call it: the first does the work, the others wait for it. A database that
 * a newer release has migrated stays as it is.
 *
 * @param migrationUrl of the role that owns the database
 * @param lockTimeoutMs how long to wait for another process's migrations, and for transactions that use the tables
 * @throws {Error} when another process still migrates, or uses tables, after that time; the driver's own when a migration
 * fails, which is then rolled back completely
 */
export async function migrateDatabase(
  migrationUrl: string,
  lockTimeoutMs = LOCK_TIMEOUT_MS,
): Promise<MigrationOutcome> {
  // On a connection of its own, in a transaction: it ends with that one also where a pooler keeps the session.
  const holder = connectOnce(migrationUrl);
  const client = connectOnce(migrationUrl);
  try {
    return await holder.begin(async (inside) => {
      await inside`select set_config('lock_timeout', ${String(lockTimeoutMs)}, true),
        set_config('idle_in_transaction_session_timeout', '0', true)`;
      await acquireLock(inside, lockTimeoutMs);
      const found = await readSchemaVersion(client);
      if (found.version > ownSchema.version) return { outcome: "newer", schema: found };
      // The job runner needs another driver, which is loaded only here.
      const { migrateJobs } = await import("./jobs/schema.ts");
      await migrateJobs(migrationUrl);
      return { outcome: await bringUpToDate(client, lockTimeoutMs), schema: ownSchema };
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

async function bringUpToDate(client: postgres.Sql, timeoutMs: number): Promise<"migrated" | "up-to-date"> {
  await client`create schema if not exists drizzle`;
  // The names and columns of drizzle's own migrator, which made them with 0.1.0.
  await client`create table if not exists drizzle.migrations (id serial primary key, hash text not null, created_at bigint)`;
  const [last] = await client<
    { at: string | null }[]
  >`select max(created_at)::text as at from drizzle.migrations`;
  const missing = (await readMigrations()).filter(({ when }) => when > Number(last?.at ?? 0));
  const rules = await readRules();
  const hasOurRules = await hasRules(client, rules);
  const { version, oldest, release } = ownSchema;
  const isWritten = (await readSchemaVersion(client)).version === version;
  if (missing.length === 0 && hasOurRules && isWritten) return "up-to-date";
  await lockingTables(client, timeoutMs, async (transaction) => {
    for (const migration of missing) await applyMigration(transaction, migration);
    await applyRules(transaction, rules);
    await transaction`insert into public.schema_versions (version, oldest, release) values (${version}, ${oldest}, ${release})
      on conflict (version) do update set oldest = excluded.oldest, release = excluded.release`;
  });
  return "migrated";
}

async function applyMigration(transaction: postgres.ISql, { text, hash, when }: Migration): Promise<void> {
  for (const statement of text.split("--> statement-breakpoint")) await transaction.unsafe(statement);
  await transaction`insert into drizzle.migrations (hash, created_at) values (${hash}, ${when})`;
}

/**
 * How long one attempt waits for all tables, in milliseconds. Statements of other processes queue behind it meanwhile. Below
 * deadlock_timeout, 1 s: the server would otherwise end a transaction of theirs in place of this one.
 */
const attemptMs = 700;
/** What a statement ends with that waited for too long, or that two transactions would have waited in for ever. */
const waited = new Set(["57014", LOCK_NOT_AVAILABLE, "40P01"]);

/** Runs `work` in a transaction that has locked every table first, so that it waits for none of them with another one locked. */
async function lockingTables(
  client: postgres.Sql,
  timeoutMs: number,
  work: (transaction: postgres.ISql) => Promise<void>,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    let isLocked = false;
    try {
      await client.begin(async (transaction) => {
        await transaction`select set_config('statement_timeout', ${String(attemptMs)}, true)`;
        await transaction`do $$
          declare
            names text;
          begin
            select string_agg(format('%I.%I', schemaname, tablename), ', ' order by schemaname, tablename) into names
              from pg_tables where schemaname in ('public', 'sign_in', 'graphile_worker');
            if names is not null then execute 'lock table ' || names || ' in access exclusive mode'; end if;
          end $$`.simple();
        isLocked = true;
        await transaction`select set_config('statement_timeout', '0', true)`;
        await work(transaction);
      });
      return;
    } catch (cause) {
      if (isLocked || !(cause instanceof postgres.PostgresError) || !waited.has(cause.code)) throw cause;
      if (performance.now() > end)
        throw new Error(
          `Transactions of other processes have used the tables for more than ${timeoutMs / 1_000} s, such as a dump: ` +
            "see pg_stat_activity. Nothing was changed.",
          { cause },
        );
    }
    await sleep(attemptMs / 2 + Math.random() * attemptMs);
  }
}
