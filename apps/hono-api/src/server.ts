import type { Jobs } from "@repo/db/jobs";
import { createApp } from "./app.ts";
import { listen } from "./http-server.ts";
import { startProductJobs } from "./jobs.ts";
import { createMembership } from "./membership.ts";
import { runProgram } from "./program.ts";
import { createStartUp, prepareToServe } from "./start-up.ts";

const drainMs = 10_000;

await runProgram(async (program) => {
  const { env, log, database, infisical, secrets, stopping } = program;
  const startUp = createStartUp(log);
  const membership = createMembership(program);
  const app = createApp({
    secrets,
    database,
    infisical,
    startUp,
    hears: () => membership.hears(),
    log,
    baseDomain: env.BASE_DOMAIN,
    stripeApiUrl: env.STRIPE_API_URL,
  });

  const server = await listen(app, env.HOST, env.PORT);
  let jobs: Promise<Jobs> | undefined;
  program.onStop(async () => {
    await Promise.all([
      server.stop(drainMs),
      jobs?.then((running) => running.stop()),
      secrets.backgroundRotation.stop(),
    ]);
    await membership.stop();
  });
  log("info", "listening", { url: server.url });

  await startUp.run(async () => {
    await prepareToServe(database, secrets, env.DATABASE_MIGRATION_URL);
    await membership.join();
  }, stopping);
  if (env.JOBS === "in-process" && !stopping.aborted) jobs = startProductJobs(program);
});
