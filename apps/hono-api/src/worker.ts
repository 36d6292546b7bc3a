import type { Jobs } from "@repo/db/jobs";
import type { RunningSealer } from "@repo/audit-log";
import { startBeating, startNotifying, startProductJobs, startSealing } from "./background.ts";
import { bootstrap, createStartUp, prepareToServe } from "./bootstrap.ts";
import { connectionsCheck } from "./connections.ts";
import { startMetrics } from "./metrics/metrics-server.ts";

// Runs jobs in a process of its own, beside APIs that have JOBS=none. It reads the API's environment, and serves its metrics
// alone.

await bootstrap(async (runtime) => {
  const { env, log, database, secrets, stopping } = runtime;
  const startUp = createStartUp(log);
  const metricsServer = await startMetrics(runtime, startUp);
  let jobs: Promise<Jobs> | undefined;
  let sealing: RunningSealer | undefined;
  let notifying: ReturnType<typeof startNotifying> | undefined;
  let beating: ReturnType<typeof startBeating> | undefined;
  runtime.onStop(async () => {
    await Promise.all([jobs?.then((running) => running.stop()), notifying?.stop(), beating?.stop()]);
    await sealing?.stop();
    await metricsServer.stop(0);
  });
  const checkConnections = connectionsCheck({ ...runtime, runsJobs: true });
  await startUp.run(async () => {
    await checkConnections();
    const notice = await prepareToServe(database, secrets, env.DATABASE_MIGRATION_URL);
    if (notice !== undefined) log("warn", notice);
  }, stopping);
  if (stopping.aborted) return;
  sealing = startSealing(runtime);
  jobs = startProductJobs(runtime);
  notifying = startNotifying(runtime);
  beating = startBeating(runtime);
});
