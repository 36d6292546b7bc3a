import { sql } from "drizzle-orm";
import type { Statements } from "../connect.ts";

export interface NewJob {
  /** The application's role may use the tasks that a process has run jobs with, the maintenance role any. */
  readonly task: string;
  /** JSON values, at most 8 KiB, stored in the clear: ids and names, never a value or a key. */
  readonly payload: Readonly<Record<string, unknown>>;
  /** Replaces the waiting job of the same task and key. */
  readonly jobKey?: string;
  /** Not before this. Default: now. */
  readonly runAt?: Date;
}

/**
 * Adds a job in the caller's own transaction: rolled back, there is no job; committed, it runs within about a second.
 * A job runs at least once and may run again, after an error, and after its process was killed.
 */
export async function enqueueJob(
  statements: Statements,
  { task, payload, jobKey, runAt }: NewJob,
): Promise<void> {
  await statements.execute(
    sql`select enqueue_job(${task}, ${JSON.stringify(payload)}::text::json, ${jobKey ?? null}, ${runAt?.toISOString() ?? null}::timestamptz)`,
  );
}
