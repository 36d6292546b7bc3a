import type { Jobs } from "@repo/db/jobs";
import type { RunningSealer } from "@repo/tenant-secrets";
import { connectionsCheck } from "./connections.ts";
import { startProductJobs } from "./jobs.ts";
import { createMembership } from "./membership.ts";
import { startMetrics } from "./metrics-server.ts";
import { runProgram } from "./program.ts";
import { startSealing } from "./sealing.ts";
import { createStartUp, prepareToServe } from "./start-up.ts";

// Jobs in a process of their own, next to APIs that have JOBS=none. It takes the API's environment, and serves nothing but
// its metrics.

await runProgram(async (program) => {
  const { env, log, database, secrets, stopping } = program;
  const membership = createMembership(program);
  const metricsServer = await startMetrics(program, membership);
  let jobs: Promise<Jobs> | undefined;
  let sealing: RunningSealer | undefined;
  program.onStop(async () => {
    await jobs?.then((running) => running.stop());
    await sealing?.stop();
    await membership.stop();
    await metricsServer.stop(0);
  });
  const checkConnections = connectionsCheck({ ...program, runsJobs: true });
  await createStartUp(log).run(async () => {
    await checkConnections();
    await prepareToServe(database, secrets, env.DATABASE_MIGRATION_URL);
    await membership.join();
  }, stopping);
  if (stopping.aborted) return;
  sealing = startSealing(program);
  jobs = startProductJobs(program);
});
