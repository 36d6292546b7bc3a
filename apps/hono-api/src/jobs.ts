import { startJobs, type Jobs } from "@repo/db/jobs";
import { createTasks, schedule } from "@repo/tenant-secrets";
import type { Program } from "./program.ts";

/** Runs the product's jobs in this process. For when the start is complete: some jobs need the keys. */
export function startProductJobs({ env, database, secrets, log, metrics }: Program): Promise<Jobs> {
  return startJobs({
    maintenanceUrl: env.DATABASE_MAINTENANCE_URL,
    tasks: createTasks({ database, secrets, log }),
    cron: schedule,
    log,
    onRun: metrics.jobRun,
  });
}
