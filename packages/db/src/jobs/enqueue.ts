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
 * Adds jobs of one task in the caller's own transaction: rolled back, there is no job; committed, they run within about a second.
 * A job runs at least once and may run again, after an error, and after its process was killed.
 *
 * @param jobs no two with the same key
 */
export async function enqueueJobs(
  statements: Statements,
  task: string,
  jobs: readonly Omit<NewJob, "task">[],
): Promise<void> {
  if (jobs.length === 0) return;
  const given = JSON.stringify(
    jobs.map(({ payload, jobKey, runAt }) => ({ payload, job_key: jobKey, run_at: runAt })),
  );
  await statements.execute(sql`select enqueue_jobs(${task}, ${given}::text::json)`);
}

/** As {@link enqueueJobs}, of one job. */
export async function enqueueJob(statements: Statements, { task, ...job }: NewJob): Promise<void> {
  await enqueueJobs(statements, task, [job]);
}
