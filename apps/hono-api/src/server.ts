import type { Jobs } from "@repo/db/jobs";
import type { RunningSealer } from "@repo/tenant-secrets";
import { createApp } from "./app.ts";
import { connectionsCheck } from "./connections.ts";
import { listen } from "./http-server.ts";
import { startProductJobs } from "./jobs.ts";
import { watchInfisicalRights } from "./infisical-rights.ts";
import { createMembership } from "./membership.ts";
import { startMetrics } from "./metrics-server.ts";
import { runProgram } from "./program.ts";
import { startSealing } from "./sealing.ts";
import { createStartUp, prepareToServe } from "./start-up.ts";

await runProgram(async (program) => {
  const { env, log, database, infisical, secrets, metrics, stopping } = program;
  const startUp = createStartUp(log);
  const membership = createMembership(program);
  const app = createApp({
    secrets,
    database,
    infisical,
    startUp,
    hears: () => membership.hears(),
    log,
    metrics,
    baseDomain: env.BASE_DOMAIN,
    stripeApiUrl: env.STRIPE_API_URL,
    trustedProxies: env.TRUSTED_PROXIES,
    allowedOrigins: env.ALLOWED_ORIGINS,
    maxRequestsInFlight: env.MAX_REQUESTS_IN_FLIGHT,
  });

  const server = await listen(app, env.HOST, env.PORT, {
    keepAliveMs: env.KEEP_ALIVE_SECONDS * 1000,
    headersMs: env.REQUEST_HEADERS_SECONDS * 1000,
    requestMs: env.REQUEST_SECONDS * 1000,
  });
  log("info", "listening", { url: server.url });
  const metricsServer = await startMetrics(program, membership);
  let jobs: Promise<Jobs> | undefined;
  let sealing: RunningSealer | undefined;
  program.onStop(async () => {
    await Promise.all([server.stop(env.STOP_SECONDS * 1000), jobs?.then((running) => running.stop())]);
    await sealing?.stop();
    await membership.stop();
    await metricsServer.stop(0);
  });

  const checkConnections = connectionsCheck({ ...program, runsJobs: env.JOBS === "in-process" });
  await startUp.run(async () => {
    await checkConnections();
    await prepareToServe(database, secrets, env.DATABASE_MIGRATION_URL);
    await membership.join();
  }, stopping);
  if (stopping.aborted) return;
  sealing = startSealing(program);
  if (env.JOBS === "in-process") jobs = startProductJobs(program);
  await watchInfisicalRights(program);
});
