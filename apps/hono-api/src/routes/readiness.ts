import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseError, SchemaError, type Database } from "@repo/db";
import { InfisicalError, type InfisicalClient } from "@repo/infisical";
import type { SignIn } from "@repo/sign-in";
import type { StartUp } from "../bootstrap.ts";

/** Each "ok", or a sentence with the problem. */
interface ReadinessChecks {
  /** The application's pool, which serves requests. */
  readonly database: string;
  /** The pool of operators, keys and companies. */
  readonly maintenance: string;
  /** Of a deployment where people sign in. */
  readonly signIn?: string;
  readonly masterKey: string;
  readonly infisical: string;
  readonly notifications: string;
  /** Of a process that runs jobs. */
  readonly jobs?: string;
  readonly regions: string;
}

interface ReadinessReport {
  /**
   * `starting` until the start is complete. `unavailable` where no request is served in full: the application's pool reaches no
   * server that takes writes, and even a read is recorded. `degraded` where one part is missing, which is mostly missing in every
   * process: a balancer would find no better one. `stopping` once the process was told to.
   */
  readonly status: "ready" | "degraded" | "starting" | "unavailable" | "stopping";
  /** Of a process that stops, the last results, since nothing is checked any more. */
  readonly checks: Partial<ReadinessChecks>;
}

export interface ReadinessOptions {
  readonly database: Pick<Database, "check" | "checkWrites">;
  /** Undefined where the deployment has none. */
  readonly signIn?: Pick<SignIn, "checkWrites"> | undefined;
  readonly infisical: Pick<InfisicalClient, "ping" | "state" | "troubles">;
  readonly startUp: Pick<StartUp, "problem">;
  /** Whether the process was told to stop. */
  readonly isStopping: () => boolean;
  /** Whether notifications of other processes arrive. */
  readonly isListening: () => boolean;
  /** Whether jobs run here. Undefined in a process that is to run none. */
  readonly areJobsRunning?: (() => boolean) | undefined;
  /** What is wrong between this region and others. */
  readonly regions: () => Promise<readonly RegionFaults[]>;
}

interface RegionFaults {
  readonly region: string;
  readonly faults: readonly string[];
}

const jobsDoNotRun =
  "Jobs do not run in this process: the log says why. Other processes that run jobs take them.";

const breakerIsOpen =
  "Infisical answers again, after so many calls failed that they are refused for now: wait a moment.";

/** Of each check: below the timeout of most probes, which is 3 s or more. */
const timeoutMs = 2000;
/** How long a report is reused, so that probes cannot load the database and Infisical. */
const reportTtlMs = 1000;

/** @returns a function for the report of /readyz */
export function createReadiness(options: ReadinessOptions): () => Promise<ReadinessReport> {
  const { database, signIn, infisical, startUp, isStopping, isListening, areJobsRunning, regions } = options;
  const checkDatabase = withTimeout("The database", async () => {
    await database.check();
    await database.checkWrites("application");
  });
  const checkMaintenance = withTimeout("The maintenance role's connection", () =>
    database.checkWrites("maintenance"),
  );
  const checkSignIn = withTimeout("The sign-in's connection", async () => signIn?.checkWrites());
  const checkInfisical = withTimeout("Infisical", () => infisical.ping());
  const checkRegions = withTimeout("The state of regions", async () => {
    const wrong = (await regions()).filter(({ faults }) => faults.length > 0);
    if (wrong.length > 0) throw new RegionsDiffer(wrong);
  });
  let latest: Partial<ReadinessChecks> = {};
  const inspect = async (): Promise<ReadinessReport> => {
    const [databaseResult, maintenanceResult, signInResult, infisicalResult, regionsResult] =
      await Promise.all([
        checkDatabase(),
        checkMaintenance(),
        checkSignIn(),
        checkInfisical(),
        checkRegions(),
      ]);
    const problem = startUp.problem();
    const checks = {
      database: about("DATABASE_URL", databaseResult),
      maintenance: about("DATABASE_MAINTENANCE_URL", maintenanceResult),
      ...(signIn !== undefined && { signIn: about("DATABASE_SIGN_IN_URL", signInResult) }),
      masterKey: problem?.masterKey ?? "ok",
      infisical: infisicalResult === "ok" ? troubleOf(infisical) : infisicalResult,
      notifications: isListening()
        ? "ok"
        : "News of what other processes change do not arrive: check DATABASE_LISTENER_URL. Until they do, some changes are noticed minutes later.",
      ...(areJobsRunning !== undefined && { jobs: areJobsRunning() ? "ok" : jobsDoNotRun }),
      regions: regionsResult,
    };
    latest = checks;
    if (problem !== undefined) return { status: "starting", checks };
    if (databaseResult !== "ok") return { status: "unavailable", checks };
    const isReady = Object.values(checks).every((check) => check === "ok");
    return { status: isReady ? "ready" : "degraded", checks };
  };
  let shared: { readonly report: Promise<ReadinessReport>; readonly until: number } | undefined;
  return async () => {
    if (isStopping()) return { status: "stopping", checks: latest };
    if (shared === undefined || performance.now() > shared.until) {
      shared = { report: inspect(), until: performance.now() + reportTtlMs };
    }
    return shared.report;
  };
}

/** The problem of an Infisical that answers: for example a missing permission. */
function troubleOf(infisical: Pick<InfisicalClient, "state" | "troubles">): string {
  if (infisical.state() === "open") return breakerIsOpen;
  return infisical.troubles().join(" ") || "ok";
}

/** After a timeout the next report waits for the same pending check instead of starting another. */
function withTimeout(name: string, check: () => Promise<unknown>): () => Promise<string> {
  let pending: Promise<string> | undefined;
  return async () => {
    pending ??= check()
      .then(() => "ok", sentenceOf)
      .finally(() => (pending = undefined));
    const giveUp = new AbortController();
    try {
      return await Promise.race([
        pending,
        sleep(timeoutMs, `${name} did not answer within ${timeoutMs / 1000} s.`, { signal: giveUp.signal }),
      ]);
    } finally {
      giveUp.abort();
    }
  };
}

/** Names the variable of a problem. */
function about(variable: string, result: string): string {
  return result === "ok" ? result : result.replace(/\.$/, ` (${variable}).`);
}

class RegionsDiffer extends Error {
  constructor(wrong: readonly RegionFaults[]) {
    const named = wrong.map(({ region, faults }) => `${region} (${faults.join(", ")})`).join(", ");
    super(`Copies between this region and others are not in order: ${named}. See "secrets regions status".`);
  }
}

function sentenceOf(error: unknown): string {
  if (error instanceof RegionsDiffer || error instanceof SchemaError) return error.message;
  if (error instanceof DatabaseError) {
    if (error.code === "25006")
      return "The database takes no writes: it is a standby, or was made read-only.";
    return error.kind === "unavailable"
      ? "The database cannot be reached."
      : `The database refuses: ${error.message}.`;
  }
  if (error instanceof InfisicalError) return error.message;
  return "The check failed.";
}
