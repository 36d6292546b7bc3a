import { setTimeout as sleep } from "node:timers/promises";
import {
  ConnectionProblem,
  connectDatabase,
  DatabaseError,
  migrateDatabase,
  SchemaError,
  type Database,
} from "@repo/db";
import { EnvironmentError } from "@repo/environment";
import { createAwsKms } from "@repo/external-keys";
import {
  createInfisicalClient,
  infisicalOptionsOf,
  InfisicalError,
  type InfisicalClient,
} from "@repo/infisical";
import { createSmtpMail } from "@repo/mail";
import { createOutbound } from "@repo/outbound";
import type { SignIn } from "@repo/sign-in";
import {
  asTenantSecretsError,
  createTenantSecrets,
  providerChecks,
  TenantSecretsError,
  type BackupDestination,
  type Catalog,
  type TenantSecrets,
  type TenantSecretsOptions,
} from "@repo/tenant-secrets";
import { deploymentDrivers } from "@repo/tenant-secrets/drivers";
import { loadProduct } from "@repo/tenant-secrets/product-module";
import { readApiEnvironment, type ApiEnvironment } from "./env.ts";
import { createLog, type Log } from "./log.ts";
import { createMetrics, type Metrics } from "./metrics/metrics.ts";

/** What a process of this deployment has, from its environment to its connections. */
export interface Runtime {
  readonly env: ApiEnvironment;
  readonly log: Log;
  readonly database: Database;
  readonly infisical: InfisicalClient;
  readonly secrets: TenantSecrets<Catalog>;
  /** The sign-in of people. Undefined where the deployment has none. */
  readonly signIn: SignIn | undefined;
  readonly metrics: Metrics;
  /** Aborts on the first SIGTERM, SIGINT or SIGHUP. A second one ends the process at once. */
  readonly stopping: AbortSignal;
  /** Registers the shutdown of `main`'s own parts, once, before it waits. The audit log and the database close after it. */
  onStop(shutDown: () => Promise<void>): void;
}

/** Runs a process of this deployment: reads the environment, opens the connections, calls `main`, and shuts down on a signal. */
export async function bootstrap(main: (runtime: Runtime) => Promise<void>): Promise<void> {
  try {
    const env = readApiEnvironment();
    const log = createLog(env.LOG_LEVEL);
    exitOnUnexpectedError(log);
    const metrics = createMetrics();
    const database = connectDatabase({
      applicationUrl: env.DATABASE_URL,
      maintenanceUrl: env.DATABASE_MAINTENANCE_URL,
      listenerUrl: env.DATABASE_LISTENER_URL,
      maxConnections: env.DATABASE_MAX_CONNECTIONS,
      deadlineMs: env.DATABASE_DEADLINE_MS,
      onCall: metrics.databaseCall,
    });
    const infisical = createInfisicalClient({
      ...infisicalOptionsOf(env),
      onCall: metrics.infisicalCall,
      onNews: ({ level, sentence, code }) => log(level, sentence, { code }),
    });
    const product = await loadProduct(env.SECRETS_CATALOG, (specifier) => import(specifier));
    const mail = mailOf(env);
    const signIn = await signInOf(env, mail, () => secrets);
    const options = {
      signIn: signIn && ((headers: Headers) => signIn.session(headers)),
      accounts: signIn?.accounts,
      database,
      infisical,
      catalog: product.catalog,
      region: env.MASTER_KEY_REGION,
      address: env.PUBLIC_URL,
      operatorApprovals: env.OPERATOR_APPROVALS,
      limits: {
        failedCredentialsPerMinute: env.RATE_LIMIT_FAILED_CREDENTIALS_PER_MINUTE,
        refusalsPerMinute: env.RATE_LIMIT_REFUSALS_PER_MINUTE,
        sensitiveCallsPerMinute: env.RATE_LIMIT_SENSITIVE_CALLS_PER_MINUTE,
        callsPerSecond: env.RATE_LIMIT_CALLS_PER_SECOND,
        companyCallsPerSecond: env.RATE_LIMIT_COMPANY_CALLS_PER_SECOND,
      },
      auditRetentionDays: env.AUDIT_RETENTION_DAYS,
      retention: {
        versions: env.VERSIONS_KEPT,
        versionDays: env.VERSIONS_KEPT_DAYS,
        runDays: env.RUNS_RETENTION_DAYS,
        deliveryDays: env.DELIVERIES_RETENTION_DAYS,
      },
      mirrorRequestsPerMinute: env.MIRROR_REQUESTS_PER_MINUTE,
      shadowSample: env.SHADOW_SAMPLE,
      quotas: {
        secrets: env.QUOTA_SECRETS,
        versions: env.QUOTA_VERSIONS,
        bytes: env.QUOTA_MEBIBYTES * 1024 * 1024,
      },
      cache: {
        ttlMs: env.CACHE_TTL_SECONDS * 1000,
        negativeTtlMs: env.CACHE_NEGATIVE_TTL_SECONDS * 1000,
        staleIfErrorMs: env.CACHE_STALE_IF_ERROR_SECONDS * 1000,
        maxEntries: env.CACHE_MAX_ENTRIES,
        maxBytes: env.CACHE_MAX_MEBIBYTES * 1024 * 1024,
      },
      externalKeys: createAwsKms({ url: env.AWS_KMS_URL }),
      externalKeyTtlMs: env.EXTERNAL_KEY_TTL_SECONDS * 1000,
      backupDestination: backupDestinationOf(env),
      mail: mailOf(env),
      onAlarm: ({ code, message, diagnosis }: TenantSecretsError) =>
        log("error", message, { code, diagnosis }),
      checks: {
        ...providerChecks({ stripe: env.STRIPE_API_URL, sendgrid: env.SENDGRID_API_URL }),
        ...product.checks,
      },
      verifiers: product.verifiers,
      drivers: deploymentDrivers(env, product.drivers),
      outbound: createOutbound({
        allow: env.OUTBOUND_ALLOW,
        deny: env.OUTBOUND_DENY,
        ownDomains: ownDomainsOf(env),
      }),
    };
    const secrets: TenantSecrets<Catalog> = createWithCatalog(options);
    const close = async (): Promise<void> => {
      await signIn?.close();
      await database.close();
    };
    const { stopping, onStop } = handleSignals(log, secrets, close);
    await main({ env, log, database, infisical, secrets, signIn, metrics, stopping, onStop });
  } catch (error) {
    exitUnstarted(error);
  }
}

/** @throws {StartupError} where the catalogue names a check or a verifier that this program does not have */
function createWithCatalog(options: TenantSecretsOptions<Catalog>): TenantSecrets<Catalog> {
  try {
    return createTenantSecrets(options);
  } catch (error) {
    throw error instanceof TypeError ? new StartupError(`${error.message}: see SECRETS_CATALOG.`) : error;
  }
}

/** The domains that this deployment is reached at: nothing is sent from it to itself. */
function ownDomainsOf({ BASE_DOMAIN: base, PUBLIC_URL: publicUrl }: ApiEnvironment): readonly string[] {
  return publicUrl === undefined ? [base] : [base, new URL(publicUrl).hostname];
}

/** @returns undefined where the environment names no destination for backups of master keys */
function backupDestinationOf(env: ApiEnvironment): BackupDestination | undefined {
  const { KEY_BACKUP_RECIPIENTS: recipients, KEY_BACKUP_DIR: directory } = env;
  return recipients === undefined || directory === undefined ? undefined : { recipients, directory };
}

/**
 * @returns undefined where the environment names no mail server
 * @throws {StartupError} naming the variable that is missing or malformed
 */
function mailOf({ SMTP_URL: url, MAIL_FROM: from, PUBLIC_URL: publicUrl }: ApiEnvironment) {
  if (url === undefined) return undefined;
  if (from === undefined || publicUrl === undefined) {
    throw new StartupError("SMTP_URL is set: MAIL_FROM and PUBLIC_URL have to be set, too.");
  }
  try {
    return { send: createSmtpMail({ url, from }), publicUrl };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new StartupError(`${error.message}. See docs/configuration.md.`);
  }
}

/**
 * Loads the sign-in only where there is one: it is a quarter of what a process would load.
 *
 * @returns undefined where the environment names no database of the sign-in
 * @throws {StartupError} naming what else it takes
 */
async function signInOf(
  { DATABASE_SIGN_IN_URL: databaseUrl }: ApiEnvironment,
  mail: ReturnType<typeof mailOf>,
  secrets: () => TenantSecrets<Catalog>,
): Promise<SignIn | undefined> {
  if (databaseUrl === undefined) return undefined;
  if (mail === undefined)
    throw new StartupError(
      "DATABASE_SIGN_IN_URL is set: SMTP_URL has to be set, too, for resets of passwords.",
    );
  try {
    const { send: sendMail, publicUrl } = mail;
    const { signPeopleIn } = await import("./people.ts");
    return signPeopleIn({ databaseUrl, publicUrl, sendMail, secrets });
  } catch (error) {
    throw error instanceof TypeError ? new StartupError(error.message) : error;
  }
}

function handleSignals(
  log: Log,
  secrets: Pick<Runtime["secrets"], "stop">,
  close: () => Promise<void>,
): Pick<Runtime, "stopping" | "onStop"> {
  const stopping = new AbortController();
  let shutDown = async (): Promise<void> => {};
  const stop = async (): Promise<void> => {
    stopping.abort();
    const isDown = shutDown();
    log("info", "stopping: finishing what runs");
    await isDown;
    await secrets
      .stop()
      .catch((error: unknown) =>
        log("error", "the last events of the audit log are lost", { code: asTenantSecretsError(error).code }),
      );
    await close();
    log("info", "stopped");
    process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(1);
      void stop();
    });
  }
  return { stopping: stopping.signal, onStop: (registered) => (shutDown = registered) };
}

/** After an uncaught error the state in memory is unknown. The log names its class alone: its text may hold a secret. */
function exitOnUnexpectedError(log: Log): void {
  const exit = (kind: string) => (thrown: unknown) => {
    log("fatal", kind, { diagnosis: thrown instanceof Error ? thrown.constructor.name : typeof thrown });
    process.exit(1);
  };
  process.on("uncaughtException", exit("uncaught exception"));
  process.on("unhandledRejection", exit("unhandled rejection"));
}

function exitUnstarted(error: unknown): never {
  const isOurs = [StartupError, EnvironmentError, InfisicalError].some((known) => error instanceof known);
  const diagnosis = error instanceof Error ? error.constructor.name : typeof error;
  const sentence = isOurs && error instanceof Error ? error.message : "The start failed.";
  // LOG_LEVEL may not be read yet.
  createLog("info")("fatal", sentence, isOurs ? {} : { diagnosis });
  process.exit(1);
}

interface StartProblem {
  /** The response to requests meanwhile. */
  readonly error: TenantSecretsError;
  /** The state of the master key, for readiness. */
  readonly masterKey: string;
}

export interface StartUp {
  /** Why the start is incomplete; undefined once it is complete. */
  problem(): StartProblem | undefined;
  /**
   * Repeats the steps until all succeed or `signal` aborts. Logs the reason of a failure when it changes.
   *
   * @throws {StartupError} where a retry cannot succeed
   */
  run(steps: () => Promise<void>, signal: AbortSignal): Promise<void>;
}

/** The process must not start. The message says why, and what to do. */
export class StartupError extends Error {
  override readonly name = "StartupError";
}

/** Between attempts: doubles from the first to the longest. A database that restarts is back within seconds. */
const firstDelayMs = 500;
const longestDelayMs = 10_000;

export function createStartUp(log: Log): StartUp {
  let problem: StartProblem | undefined = {
    error: new TenantSecretsError("KEY_UNAVAILABLE", "The service is starting. Try again in a moment.", {
      retryAfterMs: 1000,
    }),
    masterKey: "The master key is not loaded yet.",
  };

  return {
    problem: () => problem,
    run: async (steps, signal) => {
      let logged: string | undefined;
      for (let delayMs = firstDelayMs; !signal.aborted; delayMs = Math.min(2 * delayMs, longestDelayMs)) {
        try {
          await steps();
          problem = undefined;
          log("info", "ready: the master key is loaded, and the database keeps companies apart");
          return;
        } catch (thrown) {
          const error = retryable(thrown);
          // The operator needs the name of the variable; a caller does not.
          const isExplained = thrown instanceof ConnectionProblem || thrown instanceof SchemaError;
          const reason = isExplained ? thrown.message : error.message;
          const masterKey =
            error.code === "KEY_UNAVAILABLE" ? error.message : "The master key is not loaded yet.";
          problem = { error, masterKey };
          if (logged !== reason) log("warn", `waiting: ${reason}`, { code: error.code });
          logged = reason;
        }
        // Jitter: processes that lost the same server do not reconnect together.
        await sleep(delayMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {});
      }
    },
  };
}

/**
 * Migrates the database, checks that row-level security isolates companies and that the tables fit this program, and loads the keys.
 *
 * @param migrationUrl undefined where the deployment migrates by itself
 * @returns a sentence for the log where a newer release has migrated the tables, and they still serve this program
 * @throws {StartupError} when row-level security does not bind the application's role, or the tables no longer serve this program
 * @throws {SchemaError} when the tables are behind this program
 * @throws {DatabaseError} when the database is unavailable
 * @throws {TenantSecretsError} KEY_UNAVAILABLE
 */
export async function prepareToServe(
  database: Database,
  secrets: Pick<TenantSecrets<Catalog>, "start">,
  migrationUrl: string | undefined,
): Promise<string | undefined> {
  // Throws a DatabaseError where the database is unreachable; the migration would throw drizzle's.
  await database.outsideCompanies((sql) => sql`select 1`);
  if (migrationUrl !== undefined) await migrateDatabase(migrationUrl);
  const notice = await database.check().catch((error: unknown) => {
    const mayPass = error instanceof DatabaseError || (error instanceof SchemaError && error.isBehind);
    throw error instanceof Error && !mayPass ? new StartupError(error.message) : error;
  });
  await secrets.start();
  return notice;
}

function retryable(thrown: unknown): TenantSecretsError {
  if (thrown instanceof StartupError) throw thrown;
  if (thrown instanceof ConnectionProblem)
    return asTenantSecretsError(new DatabaseError("unavailable", thrown.code));
  // The migration may still run, as a job of the deployment.
  if (thrown instanceof SchemaError) return asTenantSecretsError(new DatabaseError("unavailable", "SCHEMA"));
  const error = asTenantSecretsError(thrown);
  switch (error.code) {
    case "KEY_UNAVAILABLE":
    case "DATABASE_UNAVAILABLE":
      return error;
    case "INTERNAL":
      throw new StartupError(`The start failed: ${error.diagnosis ?? "for an unknown reason"}.`);
    default:
      throw new StartupError(error.message);
  }
}
