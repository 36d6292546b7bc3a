import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseError, type Database } from "@repo/db";
import { InfisicalError, type InfisicalClient } from "@repo/infisical";
import type { StartUp } from "./start-up.ts";

/** "ok", or a sentence that says what is wrong. */
interface ReadinessChecks {
  readonly database: string;
  readonly masterKey: string;
  readonly infisical: string;
  readonly notifications: string;
}

interface ReadinessReport {
  /** `starting` until everything was there once; `degraded` when only Infisical or the news of other processes are away; `unavailable` otherwise. */
  readonly status: "ready" | "degraded" | "starting" | "unavailable";
  readonly checks: ReadinessChecks;
}

export interface ReadinessOptions {
  readonly database: Pick<Database, "check">;
  readonly infisical: Pick<InfisicalClient, "ping" | "state" | "troubles">;
  readonly startUp: Pick<StartUp, "problem">;
  /** Whether news of what other processes change arrive. */
  readonly hears: () => boolean;
}

const breakerIsOpen =
  "Infisical answers again, after so many calls failed that they are refused for now: wait a moment.";

const boundMs = 2000;
const sharedForMs = 1000;

/** @returns what /readyz says. Probes of the same second share one look, so that they cannot wear out what they look at. */
export function createReadiness({
  database,
  infisical,
  startUp,
  hears,
}: ReadinessOptions): () => Promise<ReadinessReport> {
  const checkDatabase = bounded("The database", () => database.check());
  const checkInfisical = bounded("Infisical", () => infisical.ping());
  const look = async (): Promise<ReadinessReport> => {
    const [databaseSays, infisicalSays] = await Promise.all([checkDatabase(), checkInfisical()]);
    const problem = startUp.problem();
    const checks = {
      database: databaseSays,
      masterKey: problem?.masterKey ?? "ok",
      infisical: infisicalSays === "ok" ? troubleOf(infisical) : infisicalSays,
      notifications: hears()
        ? "ok"
        : "News of what other processes change do not arrive: check DATABASE_LISTENER_URL. Until they do, some changes are noticed minutes later.",
    };
    if (problem !== undefined) return { status: "starting", checks };
    if (databaseSays !== "ok") return { status: "unavailable", checks };
    const all = checks.infisical === "ok" && checks.notifications === "ok";
    return { status: all ? "ready" : "degraded", checks };
  };
  let shared: { readonly report: Promise<ReadinessReport>; readonly until: number } | undefined;
  return () => {
    if (shared === undefined || performance.now() > shared.until) {
      shared = { report: look(), until: performance.now() + sharedForMs };
    }
    return shared.report;
  };
}

/** What is wrong though it answers: such as that it denies this service a right. */
function troubleOf(infisical: Pick<InfisicalClient, "state" | "troubles">): string {
  if (infisical.state() === "open") return breakerIsOpen;
  return infisical.troubles().join(" ") || "ok";
}

/** A call that outlives its bound is waited for by the next look, not joined by another one. */
function bounded(name: string, check: () => Promise<void>): () => Promise<string> {
  let pending: Promise<string> | undefined;
  return async () => {
    pending ??= check()
      .then(() => "ok", sentenceOf)
      .finally(() => (pending = undefined));
    const giveUp = new AbortController();
    try {
      return await Promise.race([
        pending,
        sleep(boundMs, `${name} did not answer within ${boundMs / 1000} s.`, { signal: giveUp.signal }),
      ]);
    } finally {
      giveUp.abort();
    }
  };
}

function sentenceOf(error: unknown): string {
  if (error instanceof DatabaseError) {
    return error.kind === "unavailable"
      ? "The database cannot be reached."
      : `The database refuses: ${error.message}.`;
  }
  if (error instanceof InfisicalError) return error.message;
  return "The check failed.";
}
