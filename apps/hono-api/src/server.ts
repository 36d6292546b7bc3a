import { fileURLToPath } from "node:url";
import type { Jobs } from "@repo/db/jobs";
import type { RunningSealer } from "@repo/audit-log";
import { createApp } from "./app.ts";
import {
  startBeating,
  startNotifying,
  startProductJobs,
  startSealing,
  watchInfisicalPermissions,
} from "./background.ts";
import { bootstrap, createStartUp, prepareToServe } from "./bootstrap.ts";
import { connectionsCheck } from "./connections.ts";
import { listen } from "./http-server.ts";
import { startMetrics } from "./metrics/metrics-server.ts";
import { readAdminFiles } from "./routes/admin-files.ts";

await bootstrap(async (runtime) => {
  const { env, log, database, infisical, secrets, signIn, metrics, stopping } = runtime;
  const startUp = createStartUp(log);
  const admin = readAdminFiles(fileURLToPath(new URL("../../admin/dist", import.meta.url)));
  if (admin === undefined) log("info", "the admin app is not built: run `node apps/admin/build.ts`");
  let startedJobs: Jobs | undefined;
  const createAppAt = (listeningUrl: string) =>
    createApp({
      secrets,
      database,
      infisical,
      signIn,
      startUp,
      isStopping: () => stopping.aborted,
      isListening: () => secrets.isListening(),
      areJobsRunning: env.JOBS === "none" ? undefined : () => startedJobs?.isRunning() === true,
      log,
      metrics,
      baseDomain: env.BASE_DOMAIN,
      stripeApiUrl: env.STRIPE_API_URL,
      trustedProxies: env.TRUSTED_PROXIES,
      publicUrl: env.PUBLIC_URL ?? listeningUrl,
      admin,
      allowedOrigins: env.ALLOWED_ORIGINS,
      maxRequestsInFlight: env.MAX_REQUESTS_IN_FLIGHT,
    });

  const server = await listen(createAppAt, {
    host: env.HOST,
    port: env.PORT,
    keepAliveMs: env.KEEP_ALIVE_SECONDS * 1000,
    headersMs: env.REQUEST_HEADERS_SECONDS * 1000,
    requestMs: env.REQUEST_SECONDS * 1000,
  });
  log("info", "listening", { url: server.url });
  const metricsServer = await startMetrics(runtime, startUp);
  let jobs: Promise<Jobs> | undefined;
  let sealing: RunningSealer | undefined;
  let notifying: ReturnType<typeof startNotifying> | undefined;
  let beating: ReturnType<typeof startBeating> | undefined;
  runtime.onStop(async () => {
    // A process that has served nothing yet is in no balancer's rotation.
    const drainMs = startUp.problem() === undefined ? env.DRAIN_SECONDS * 1000 : 0;
    if (drainMs > 0) log("info", `stopping: not ready from now on, and serving for ${env.DRAIN_SECONDS} s`);
    await Promise.all([
      server.stop(env.STOP_SECONDS * 1000, drainMs),
      jobs?.then((running) => running.stop()),
      notifying?.stop(),
      beating?.stop(),
    ]);
    await sealing?.stop();
    await metricsServer.stop(0);
  });

  const checkConnections = connectionsCheck({ ...runtime, runsJobs: env.JOBS === "in-process" });
  await startUp.run(async () => {
    await checkConnections();
    const notice = await prepareToServe(database, secrets, env.DATABASE_MIGRATION_URL);
    if (notice !== undefined) log("warn", notice);
  }, stopping);
  if (stopping.aborted) return;
  sealing = startSealing(runtime);
  if (env.JOBS === "in-process") {
    jobs = startProductJobs(runtime);
    void jobs.then((started) => (startedJobs = started));
    notifying = startNotifying(runtime);
    beating = startBeating(runtime);
  }
  await watchInfisicalPermissions(runtime);
});
