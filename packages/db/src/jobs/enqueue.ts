import { sql } from "drizzle-orm";
import type { Statements } from "../connect.ts";

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
 * @param task its name: the application's role may use those that a process has run jobs with, the maintenance role any
 * @param payload of JSON values, at most 8 KiB. It is kept in the clear: ids and names, never a value or a key
 */
export async function enqueueJob(
  statements: Statements,
  task: string,
  payload: Readonly<Record<string, unknown>>,
  options: EnqueueOptions = {},
): Promise<void> {
  const { jobKey = null, runAt } = options;
  await statements.execute(
    sql`select enqueue_job(${task}, ${JSON.stringify(payload)}::text::json, ${jobKey}, ${runAt?.toISOString() ?? null}::timestamptz)`,
  );
}
