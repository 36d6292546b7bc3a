import { setTimeout as sleep } from "node:timers/promises";
import { ConnectionProblem, DatabaseError, migrateDatabase, type Database } from "@repo/db";
import { asTenantSecretsError, TenantSecretsError, type TenantSecrets } from "@repo/tenant-secrets";
import type { DeliveryChatCatalog } from "./company.ts";
import type { Log } from "./log.ts";

interface StartProblem {
  /** What a request is refused with meanwhile. */
  readonly error: TenantSecretsError;
  /** What is wrong with the master key, as far as that is known. */
  readonly masterKey: string;
}

export interface StartUp {
  /** Why nothing may be served yet; undefined once the start is complete. */
  problem(): StartProblem | undefined;
  /**
   * Repeats the steps until all succeed or `signal` aborts, and says so when what it waits for changes.
   *
   * @throws {StartRefused} what waiting will not mend
   */
  run(steps: () => Promise<void>, signal: AbortSignal): Promise<void>;
}

/** The process must not start. The message says why, and what to do. */
export class StartRefused extends Error {
  override readonly name = "StartRefused";
}

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
      let said: string | undefined;
      for (let delayMs = firstDelayMs; !signal.aborted; delayMs = Math.min(2 * delayMs, longestDelayMs)) {
        try {
          await steps();
          problem = undefined;
          log("info", "ready: the master key is loaded, and the database keeps companies apart");
          return;
        } catch (thrown) {
          const error = waitable(thrown);
          // Whoever runs it has to know which variable is meant; a caller has no use for that.
          const reason = thrown instanceof ConnectionProblem ? thrown.message : error.message;
          const masterKey =
            error.code === "KEY_UNAVAILABLE" ? error.message : "The master key is not loaded yet.";
          problem = { error, masterKey };
          if (said !== reason) log("warn", `waiting: ${reason}`, { code: error.code });
          said = reason;
        }
        // Processes that lost the same server do not come back to it in step.
        await sleep(delayMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {});
      }
    },
  };
}

/**
 * Brings the tables up to date, makes sure that the database keeps companies apart, and loads the keys.
 *
 * @param migrationUrl left out where somebody else migrates
 * @throws {StartRefused} when row-level security does not bind the application's role; whatever else stands in the way
 */
export async function prepareToServe(
  database: Database,
  secrets: Pick<TenantSecrets<DeliveryChatCatalog>, "prepare">,
  migrationUrl: string | undefined,
): Promise<void> {
  // Says in the database's own terms whether it can be reached; the migration's errors are drizzle's.
  await database.outsideCompanies((sql) => sql`select 1`);
  if (migrationUrl !== undefined) await migrateDatabase(migrationUrl);
  try {
    await database.check();
  } catch (error) {
    if (error instanceof DatabaseError || !(error instanceof Error)) throw error;
    throw new StartRefused(error.message);
  }
  await secrets.prepare();
}

function waitable(thrown: unknown): TenantSecretsError {
  if (thrown instanceof StartRefused) throw thrown;
  if (thrown instanceof ConnectionProblem)
    return asTenantSecretsError(new DatabaseError("unavailable", thrown.code));
  const error = asTenantSecretsError(thrown);
  switch (error.code) {
    case "KEY_UNAVAILABLE":
    case "DATABASE_UNAVAILABLE":
      return error;
    case "INTERNAL":
      throw new StartRefused(`The start failed: ${error.diagnosis ?? "for an unknown reason"}.`);
    default:
      throw new StartRefused(error.message);
  }
}
