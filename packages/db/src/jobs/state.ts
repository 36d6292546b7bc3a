import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Statements } from "../connect.ts";
import { LIVENESS_LOCK } from "./liveness.ts";

const TaskState = z.object({
  task: z.string(),
  /** Jobs that have not begun, those of a later time included. */
  waiting: z.int(),
  running: z.int(),
  /** Jobs that failed and run again. */
  retrying: z.int(),
  /** Jobs that failed for the last time: no worker takes them any more. */
  dead: z.int(),
  /** For how long the oldest job that could run has not been taken, in seconds by the database's clock; 0 where there is none. */
  overdueSeconds: z.int(),
});

interface JobsState {
  /** Processes that take jobs now, by the locks that they hold. */
  readonly workers: number;
  /** By the name of the task; without tasks that have no job. */
  readonly tasks: readonly z.infer<typeof TaskState>[];
}

/** What waits in the queue, of which no payload is read. In the maintenance role. */
export async function selectJobsState(statements: Statements): Promise<JobsState> {
  const workers = await statements.execute<{ count: number }>(sql`
    select count(distinct objid)::int as count from pg_locks
    where locktype = 'advisory' and classid = ${LIVENESS_LOCK} and granted
      and database = (select oid from pg_database where datname = current_database())`);
  const tasks = await statements.execute(sql`
    select t.identifier as task,
      (count(*) filter (where locked_at is null and attempts = 0))::int as waiting,
      (count(*) filter (where locked_at is not null))::int as running,
      (count(*) filter (where locked_at is null and attempts between 1 and max_attempts - 1))::int as retrying,
      (count(*) filter (where locked_at is null and attempts >= max_attempts))::int as dead,
      coalesce(extract(epoch from now() - min(run_at) filter (
        where locked_at is null and attempts < max_attempts and run_at <= now())), 0)::int as "overdueSeconds"
    from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
    group by t.identifier order by t.identifier`);
  return { workers: workers[0]?.count ?? 0, tasks: z.array(TaskState).parse([...tasks]) };
}
