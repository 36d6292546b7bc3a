import { sql } from "drizzle-orm";
import type { Statements } from "../connect.ts";

/** What a job can do. The function `enqueue_job` of the database has the same list: a new name needs a migration. */
export const taskNames = [
  "check-credential",
  "check-credentials",
  "check-master-key-age",
  "destroy-old-versions",
  "forget-processes",
  "forget-rate-limits",
  "forget-audit-events",
  "forget-write-requests",
  "purge-removed-secrets",
  "remind-of-expiry",
  "reseal-company",
  "rotate-master-key",
  "settle-outside-writes",
] as const;
export type TaskName = (typeof taskNames)[number];

export interface EnqueueOptions {
  /** A job that waits under the same key of the same task is replaced by this one. */
  readonly jobKey?: string;
  /** Not before this. Default: now. */
  readonly runAt?: Date;
}

/**
 * Adds a job in the caller's own transaction: rolled back, there is no job; committed, it runs within about a second.
 * A job runs at least once and may run again, after an error, and after its process was killed.
 *
 * @param payload of JSON values, at most 8 KiB. It is kept in the clear: ids and names, never a value or a key
 */
export async function enqueueJob(
  statements: Statements,
  task: TaskName,
  payload: Readonly<Record<string, unknown>>,
  options: EnqueueOptions = {},
): Promise<void> {
  const { jobKey = null, runAt } = options;
  await statements.execute(
    sql`select enqueue_job(${task}, ${JSON.stringify(payload)}::text::json, ${jobKey}, ${runAt?.toISOString() ?? null}::timestamptz)`,
  );
}
