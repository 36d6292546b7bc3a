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

/** As {@link enqueueJob}, of many jobs of one task, in one statement. */
export async function enqueueJobs(
  statements: Statements,
  task: string,
  jobs: readonly Pick<NewJob, "payload" | "jobKey">[],
): Promise<void> {
  if (jobs.length === 0) return;
  const given = JSON.stringify(jobs.map(({ payload, jobKey }) => ({ payload, job_key: jobKey })));
  await statements.execute(sql`
    select enqueue_job(${task}, j.payload, j.job_key, null)
    from json_to_recordset(${given}::text::json) as j(payload json, job_key text)`);
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
