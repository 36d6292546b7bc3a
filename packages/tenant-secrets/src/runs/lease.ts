import { randomUUID } from "node:crypto";
import { and, eq, inArray, isNull, or, sql } from "drizzle-orm";
import { DatabaseError, tables, type Database, type Statements } from "@repo/db";
import { notFound, TenantSecretsError } from "@repo/catalog";

const { runs } = tables;

export type RunRow = typeof runs.$inferSelect;
export type RunState = RunRow["state"];

/** A run whose driver has not committed a step for this long can be taken over, in seconds. */
const leaseSeconds = 30;

/** A run that fails so often in a row fails for good, until it is started or resumed: the job queue tries as often. */
export const mostAttempts = 25;

/** The right of one process to drive one run. A later lease has a higher token, and ends this one. */
export interface Lease {
  readonly holder: string;
  readonly token: number;
}

/** Where a run is in its phase. What is left out stays. */
export interface Position {
  readonly cursor?: unknown;
  /** Items of the phase that are done by now. */
  readonly done?: number | undefined;
  /** Items in a second. */
  readonly rate?: number | undefined;
}

/** A driver stopped between two steps, because it was told to. What was done stays, and the run goes on from there. */
export class RunStopped extends TenantSecretsError {
  readonly because: "aborted" | Exclude<RunState, "running">;

  constructor(because: RunStopped["because"]) {
    super(
      "CONFLICT",
      because === "aborted"
        ? "The run was stopped between two steps. What was done stays; started again, it goes on from here."
        : `The run is ${because}: it stopped between two steps, and what was done stays.`,
    );
    this.because = because;
  }
}

/** Another process has the lease. */
export class RunDriven extends TenantSecretsError {
  constructor() {
    super(
      "CONFLICT",
      `This is being done by another process. See "runs list"; it can be taken over ${leaseSeconds} s after that process was last heard of.`,
    );
  }
}

export const leaseEnd = sql`clock_timestamp() + make_interval(secs => ${leaseSeconds})`;

/**
 * Takes the lease of a run, and makes one that had failed running again.
 *
 * @throws {RunDriven} @throws {RunStopped} where it is paused or finished @throws {TenantSecretsError} NOT_FOUND
 */
export async function takeLease(database: Database, id: string): Promise<RunRow & Lease> {
  return database.acrossCompanies(async (statements) => {
    const holder = randomUUID();
    const [row] = await statements
      .update(runs)
      .set({
        state: "running",
        leaseHolder: holder,
        leaseUntil: leaseEnd,
        fence: sql`${runs.fence} + 1`,
        updatedAt: sql`now()`,
      })
      .where(
        and(
          eq(runs.id, id),
          inArray(runs.state, ["running", "failed"]),
          or(isNull(runs.leaseUntil), sql`${runs.leaseUntil} < now()`),
        ),
      )
      .returning();
    if (row !== undefined) return { ...row, holder, token: row.fence };
    const [there] = await statements.select({ state: runs.state }).from(runs).where(eq(runs.id, id));
    if (there === undefined) throw notFound();
    throw there.state === "running" || there.state === "failed"
      ? new RunDriven()
      : new RunStopped(there.state);
  });
}

/**
 * The first statement of a step: makes sure that the run is still this process's to drive, extends the lease, and keeps where
 * it is. Works in a transaction of either role.
 *
 * @throws {RunDriven} @throws {RunStopped}
 */
export async function holdRun(
  statements: Statements,
  id: string,
  { holder, token, cursor, done, rate }: Lease & Position,
): Promise<void> {
  const position = cursor === undefined ? null : JSON.stringify(cursor);
  const [row] = await statements.execute<{ held: "held" | "lost" | RunState }>(sql`
    select hold_run(${id}, ${holder}, ${token}, ${leaseSeconds}, ${position}, ${done ?? null}::integer, ${rate ?? null}::real)
      as held`);
  const held = row?.held ?? "lost";
  if (held === "held") return;
  throw held === "lost" || held === "running" ? new RunDriven() : new RunStopped(held);
}

/**
 * Lets go, so that it need not run out; what stopped the driver, unless it was told to, is kept with the run.
 *
 * @param ends whether nothing can go on with the run, so that it is cancelled
 */
export async function releaseRun(
  database: Database,
  { id, holder }: Lease & Pick<RunRow, "id">,
  { error, ends }: { readonly error: TenantSecretsError | undefined; readonly ends: boolean },
): Promise<void> {
  const failure = error && {
    attempts: sql`${runs.attempts} + 1`,
    errorCode: error.code,
    errorMessage: error.message,
    state: sql<RunState>`case when ${runs.state} = 'running' and ${runs.attempts} + 1 >= ${mostAttempts} then 'failed' else ${runs.state} end`,
  };
  const end = ends ? ({ state: "cancelled", finishedAt: sql`now()` } as const) : {};
  await database
    .acrossCompanies((statements) =>
      statements
        .update(runs)
        .set({ ...failure, ...end, leaseHolder: null, leaseUntil: null, updatedAt: sql`now()` })
        .where(and(eq(runs.id, id), eq(runs.leaseHolder, holder))),
    )
    .catch((thrown: unknown) => {
      // A database that is unavailable keeps the lease until it runs out.
      if (!(thrown instanceof DatabaseError)) throw thrown;
    });
}
