import { connectDatabase } from "@repo/db";
import { EnvironmentError } from "@repo/environment";
import { createInfisicalClient, InfisicalError } from "@repo/infisical";
import { createTenantSecrets, deliveryChatCatalog } from "@repo/tenant-secrets";
import { createApp } from "./app.ts";
import { readApiEnvironment } from "./env.ts";
import { listen } from "./http-server.ts";
import { createLog, type Log } from "./log.ts";
import { createStartUp, prepareToServe, StartRefused } from "./start-up.ts";

const drainMs = 10_000;

try {
  await main();
} catch (error) {
  refuseStart(error);
}

async function main(): Promise<void> {
  const env = readApiEnvironment();
  const log = createLog(env.LOG_LEVEL);
  endOnSurprise(log);

  const database = connectDatabase({
    applicationUrl: env.DATABASE_URL,
    maintenanceUrl: env.DATABASE_MAINTENANCE_URL,
    maxConnections: env.DATABASE_MAX_CONNECTIONS,
  });
  const infisical = createInfisicalClient({
    siteUrl: env.INFISICAL_SITE_URL,
    clientId: env.INFISICAL_CLIENT_ID,
    clientSecret: env.INFISICAL_CLIENT_SECRET,
    projectId: env.INFISICAL_PROJECT_ID,
    environment: env.INFISICAL_ENVIRONMENT,
  });
  const secrets = createTenantSecrets({
    database,
    infisical,
    catalog: deliveryChatCatalog,
    region: env.MASTER_KEY_REGION,
  });
  const startUp = createStartUp(log);
  const app = createApp({
    secrets,
    database,
    infisical,
    startUp,
    log,
    baseDomain: env.BASE_DOMAIN,
    stripeApiUrl: env.STRIPE_API_URL,
  });

  const server = await listen(app, env.HOST, env.PORT);
  const stopping = new AbortController();
  const stop = async (): Promise<void> => {
    stopping.abort();
    const drained = server.stop(drainMs);
    log("info", "stopping: finishing what runs");
    await drained;
    await database.close();
    log("info", "stopped");
    process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(1);
      void stop();
    });
  }
  log("info", "listening", { url: server.url });

  await startUp.run(() => prepareToServe(database, secrets, env.DATABASE_MIGRATION_URL), stopping.signal);
}

/** After an error that nobody expected, nothing that is in memory can be relied on. Its text may hold anything. */
function endOnSurprise(log: Log): void {
  const end = (kind: string) => (thrown: unknown) => {
    log("fatal", kind, { diagnosis: thrown instanceof Error ? thrown.constructor.name : typeof thrown });
    process.exit(1);
  };
  process.on("uncaughtException", end("uncaught exception"));
  process.on("unhandledRejection", end("unhandled rejection"));
}

function refuseStart(error: unknown): never {
  const speaks = [StartRefused, EnvironmentError, InfisicalError].some((known) => error instanceof known);
  const diagnosis = error instanceof Error ? error.constructor.name : typeof error;
  const sentence = speaks && error instanceof Error ? error.message : "The start failed.";
  // Before the environment is read there is no level to keep to.
  createLog("info")("fatal", sentence, speaks ? {} : { diagnosis });
  process.exit(1);
}
