import type { WorkerEvents } from "graphile-worker";
import type { Pool } from "pg";

// The runner would release the jobs of a process that was killed after four hours, because it cannot know whether it
// still works. PostgreSQL knows: a worker holds an advisory lock on the connection that it listens on, and the lock
// goes with the connection.

export const LIVENESS_LOCK = 7_274_003;

/** From now on the workers that `events` tells of hold their lock, through every change of connection. */
export function showAlive(events: WorkerEvents): void {
  events.on("pool:listen:success", ({ client, workerPool }) => {
    // After the runner's own LISTEN: the driver takes one statement at a time.
    client.once("drain", () => {
      // Shared, because the server may still have an older connection of the same worker.
      client
        .query("select pg_advisory_lock_shared($1, hashtext($2))", [LIVENESS_LOCK, workerPool.id])
        .catch(() => {});
    });
  });
}

/**
 * Releases the jobs of workers that were gone at the last look as well: one that is only changing its connection is
 * back by then.
 *
 * @param suspects the workers that were gone at the last look
 * @returns the workers that are gone, for the next look, and how many of them had their jobs released
 */
export async function releaseJobsOfTheDead(
  pool: Pool,
  suspects: ReadonlySet<string>,
): Promise<{ readonly gone: ReadonlySet<string>; readonly released: number }> {
  const { rows } = await pool.query<{ worker: string }>(
    `with holders as materialized (
       select distinct locked_by as worker from graphile_worker._private_jobs where locked_by is not null
     )
     select worker from holders where pg_try_advisory_xact_lock($1, hashtext(worker))`,
    [LIVENESS_LOCK],
  );
  const gone = rows.map(({ worker }) => worker);
  const dead = gone.filter((worker) => suspects.has(worker));
  if (dead.length > 0) await pool.query("select graphile_worker.force_unlock_workers($1)", [dead]);
  return { gone: new Set(gone), released: dead.length };
}
