import { Logger, runMigrations } from "graphile-worker";
import { createPool } from "./pool.ts";

/** Named rather than left to the runner's defaults, which the environment can change. */
export const jobSchema = "graphile_worker";

/** Brings the job runner's own tables to its newest version. @param url of the role that owns the database */
export async function migrateJobs(url: string): Promise<void> {
  const pool = await createPool(url, 1, () => {});
  try {
    await runMigrations({ pgPool: pool, schema: jobSchema, logger: new Logger(() => () => {}) });
  } catch (error) {
    throw withoutText(error);
  } finally {
    await pool.end();
  }
}

/** An error of this driver as one that `scrubDatabaseError` knows: a code, and nothing else. */
function withoutText(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const code = "code" in error ? error.code : lostConnection.test(error.message) && "CONNECTION_CLOSED";
  if (typeof code !== "string") return error;
  return Object.assign(new Error("The tables of the job runner could not be migrated."), { code });
}

const lostConnection = /^(Connection terminated|timeout exceeded)/;
