import { connectDatabase, type Database } from "@repo/db";
import { EnvironmentError } from "@repo/environment";
import {
  createInfisicalClient,
  infisicalOptionsOf,
  InfisicalError,
  type InfisicalClient,
} from "@repo/infisical";
import {
  asTenantSecretsError,
  createTenantSecrets,
  deliveryChatCatalog,
  providerChecks,
  type BackupDestination,
  type TenantSecrets,
} from "@repo/tenant-secrets";
import type { DeliveryChatCatalog } from "./company.ts";
import { readApiEnvironment, type ApiEnvironment } from "./env.ts";
import { createLog, type Log } from "./log.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { StartRefused } from "./start-up.ts";

export interface Program {
  readonly env: ApiEnvironment;
  readonly log: Log;
  readonly database: Database;
  readonly infisical: InfisicalClient;
  readonly secrets: TenantSecrets<DeliveryChatCatalog>;
  readonly metrics: Metrics;
  /** Aborts with the first signal to stop. A second one ends the process at once. */
  readonly stopping: AbortSignal;
  /** Before `main` returns or waits: what to end, in order, after that signal. The record and the database are ended after it. */
  onStop(end: () => Promise<void>): void;
}

/** A process of this deployment: reads the environment, opens what is common to all, and sees to its end. */
export async function runProgram(main: (program: Program) => Promise<void>): Promise<void> {
  try {
    const env = readApiEnvironment();
    const log = createLog(env.LOG_LEVEL);
    endOnSurprise(log);
    const metrics = createMetrics();
    const database = connectDatabase({
      applicationUrl: env.DATABASE_URL,
      maintenanceUrl: env.DATABASE_MAINTENANCE_URL,
      maxConnections: env.DATABASE_MAX_CONNECTIONS,
      deadlineMs: env.DATABASE_DEADLINE_MS,
      onCall: metrics.databaseCall,
    });
    const infisical = createInfisicalClient({
      ...infisicalOptionsOf(env),
      onCall: metrics.infisicalCall,
      onNews: ({ level, sentence, code }) => log(level, sentence, { code }),
    });
    const secrets = createTenantSecrets({
      database,
      infisical,
      catalog: deliveryChatCatalog,
      region: env.MASTER_KEY_REGION,
      limits: {
        failedCredentialsPerMinute: env.RATE_LIMIT_FAILED_CREDENTIALS_PER_MINUTE,
        refusalsPerMinute: env.RATE_LIMIT_REFUSALS_PER_MINUTE,
        sensitiveCallsPerMinute: env.RATE_LIMIT_SENSITIVE_CALLS_PER_MINUTE,
        callsPerSecond: env.RATE_LIMIT_CALLS_PER_SECOND,
        companyCallsPerSecond: env.RATE_LIMIT_COMPANY_CALLS_PER_SECOND,
      },
      auditRetentionDays: env.AUDIT_RETENTION_DAYS,
      quotas: {
        secrets: env.QUOTA_SECRETS,
        versions: env.QUOTA_VERSIONS,
        bytes: env.QUOTA_MEBIBYTES * 1024 * 1024,
      },
      cache: {
        freshMs: env.CACHE_FRESH_SECONDS * 1000,
        absentMs: env.CACHE_ABSENT_SECONDS * 1000,
        staleMs: env.CACHE_STALE_SECONDS * 1000,
        maxEntries: env.CACHE_MAX_ENTRIES,
        maxBytes: env.CACHE_MAX_MEBIBYTES * 1024 * 1024,
      },
      backupDestination: backupDestinationOf(env),
      checks: providerChecks({ stripe: env.STRIPE_API_URL, sendgrid: env.SENDGRID_API_URL }),
    });
    const { stopping, onStop } = handleSignals(log, database, secrets);
    await main({ env, log, database, infisical, secrets, metrics, stopping, onStop });
  } catch (error) {
    refuseStart(error);
  }
}

/** @returns undefined where the environment does not say where backups of the master keys go */
function backupDestinationOf(env: ApiEnvironment): BackupDestination | undefined {
  const { KEY_BACKUP_RECIPIENTS: recipients, KEY_BACKUP_DIR: directory } = env;
  return recipients === undefined || directory === undefined ? undefined : { recipients, directory };
}

function handleSignals(
  log: Log,
  database: Database,
  secrets: Pick<Program["secrets"], "stop">,
): Pick<Program, "stopping" | "onStop"> {
  const stopping = new AbortController();
  let end = async (): Promise<void> => {};
  const stop = async (): Promise<void> => {
    stopping.abort();
    const ended = end();
    log("info", "stopping: finishing what runs");
    await ended;
    await secrets.stop().catch(lostEvents(log));
    await database.close();
    log("info", "stopped");
    process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(1);
      void stop();
    });
  }
  return { stopping: stopping.signal, onStop: (work) => (end = work) };
}

/** The record could not be written to until the very end. */
function lostEvents(log: Log): (error: unknown) => void {
  return (error) =>
    log("error", "the last events of the record are lost", { code: asTenantSecretsError(error).code });
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
