import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseError, selectJobsState, type Database } from "@repo/db";
import { InfisicalError, type InfisicalClient } from "@repo/infisical";
import { type Caller, type SystemHealth, TenantSecretsError } from "@repo/catalog";
import type { Operations } from "../access/operation.ts";
import type { MasterKeys } from "../keys/master/master-keys.ts";
import { selectLiveProcesses } from "../keys/rotation/process-registry.ts";
import type { Measurements } from "../vault/measurements.ts";
import { selectAuditHealth } from "./audit-health.ts";

/** What works now, of this process and of what all share. Each part is answered by itself, whatever the others do. */
export interface Health {
  /**
   * Not audited: an open page asks for it every few seconds. A denial is. Answers within about two seconds.
   *
   * @throws {TenantSecretsError} FORBIDDEN
   */
  health(caller: Caller): Promise<SystemHealth>;
}

interface HealthParts {
  readonly database: Database;
  readonly infisical: Pick<InfisicalClient, "ping" | "state" | "troubles">;
  readonly masterKeys: Pick<MasterKeys, "load">;
  readonly operations: Operations;
  readonly measurements: () => Measurements;
  /** Undefined where this process does not listen. */
  readonly isListening: () => boolean | undefined;
}

/** Milliseconds that each part may take. */
const timeoutMs = 2000;
/** Milliseconds for which an answer is reused, so that pages cannot load the database and Infisical. */
const answerTtlMs = 1000;

export function createHealth(parts: HealthParts): Health {
  const { database, infisical, masterKeys, operations, measurements, isListening } = parts;
  const askDatabase = inTime(async () => {
    await database.check();
    await database.checkWrites("application");
  });
  const askInfisical = inTime(() => infisical.ping());
  const loadKey = inTime(() => masterKeys.load());
  const findProcesses = inTime(() => database.acrossCompanies(selectLiveProcesses));
  const findJobs = inTime(() => database.acrossCompanies(selectJobsState));
  const findAudit = inTime(() => database.acrossCompanies(selectAuditHealth));

  const look = async (): Promise<SystemHealth> => {
    const [databaseAnswer, infisicalAnswer, keyAnswer, processesAnswer, jobsAnswer, auditAnswer] =
      await Promise.all([askDatabase(), askInfisical(), loadKey(), findProcesses(), findJobs(), findAudit()]);
    const { hits, negativeHits, staleHits, misses, evictions, entries, bytes } = measurements().cache;
    const listening = isListening();
    const state = {
      database: databaseState(databaseAnswer),
      masterKey: masterKeyState(keyAnswer),
      infisical: infisicalState(infisicalAnswer, infisical.troubles()),
      notifications: listening === undefined ? "off" : listening ? "ok" : "lost",
    } as const;
    const isDegraded = state.infisical !== "ok" || state.notifications === "lost";
    return {
      status:
        state.database === "ok" && state.masterKey === "ok"
          ? isDegraded
            ? "degraded"
            : "ready"
          : "unavailable",
      ...state,
      breaker: infisical.state(),
      cache: { hits, negativeHits, staleHits, misses, evictions, entries, bytes },
      processes: processesAnswer.value,
      jobs: jobsAnswer.value,
      audit: auditAnswer.value,
    };
  };

  let shared: { readonly answer: Promise<SystemHealth>; readonly until: number } | undefined;
  return {
    health: async (caller) => {
      const to = "see the state of the system";
      await operations.authorize({ caller, action: "system.health", verb: "operators", to });
      if (shared === undefined || performance.now() > shared.until) {
        shared = { answer: look(), until: performance.now() + answerTtlMs };
      }
      return shared.answer;
    },
  };
}

/** The value, the error, or neither of them after the timeout. */
interface Answer<T> {
  readonly value?: T;
  readonly error?: unknown;
  readonly isSilent?: true;
}

/** After a timeout the next call waits for the same work instead of starting it once more. */
function inTime<T>(work: () => Promise<T>): () => Promise<Answer<T>> {
  let pending: Promise<Answer<T>> | undefined;
  return async () => {
    pending ??= work()
      .then(
        (value): Answer<T> => ({ value }),
        (error: unknown): Answer<T> => ({ error }),
      )
      .finally(() => (pending = undefined));
    const over = new AbortController();
    try {
      return await Promise.race([
        pending,
        sleep(timeoutMs, { isSilent: true } as const, { signal: over.signal }),
      ]);
    } finally {
      over.abort();
    }
  };
}

function databaseState({ error, isSilent }: Answer<unknown>): SystemHealth["database"] {
  if (isSilent) return "silent";
  if (error === undefined) return "ok";
  return error instanceof DatabaseError && error.kind === "unavailable" ? "unavailable" : "refuses";
}

function masterKeyState({ error, isSilent }: Answer<unknown>): SystemHealth["masterKey"] {
  if (isSilent) return "silent";
  if (error === undefined) return "ok";
  switch (error instanceof TenantSecretsError ? error.code : "INTERNAL") {
    case "MASTER_KEY_MISSING":
      return "missing";
    case "MASTER_KEY_MALFORMED":
      return "malformed";
    case "MASTER_KEY_WRONG":
      return "wrong";
    default:
      return "unavailable";
  }
}

function infisicalState(
  { error, isSilent }: Answer<unknown>,
  troubles: readonly string[],
): SystemHealth["infisical"] {
  if (isSilent) return "silent";
  if (error === undefined) return troubles.length === 0 ? "ok" : "troubled";
  const isDenied =
    error instanceof InfisicalError && (error.code === "UNAUTHORIZED" || error.code === "FORBIDDEN");
  return isDenied ? "denied" : "unavailable";
}
