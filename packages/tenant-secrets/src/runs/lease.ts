import { randomUUID } from "node:crypto";
import { and, eq, inArray, isNull, or, sql } from "drizzle-orm";
import { DatabaseError, tables, type Database, type Statements } from "@repo/db";
import { notFound, TenantSecretsError } from "@repo/catalog";

const { runs } = tables;

export type RunRow = typeof runs.$inferSelect;
export type RunState = RunRow["state"];

/** Seconds after its last committed step until a run can be taken over by another process. */
const leaseSeconds = 30;

/** Failures in a row after which a run fails until it is started or resumed: the job queue retries as often. */
export const mostAttempts = 25;

/** The right of one process to drive one run. A later lease has a higher token, and invalidates this one. */
export interface Lease {
  readonly holder: string;
  readonly token: number;
}

/** A run's position in its phase. Fields left out stay unchanged. */
export interface Position {
  readonly cursor?: unknown;
  /** Finished items of the phase. */
  readonly done?: number | undefined;
  /** Items per second. */
  readonly rate?: number | undefined;
}

/** A driver was told to stop between two steps. Finished steps stay, and the run can continue from there. */
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
 * Takes the lease of a run; a failed run becomes running again.
 *
 * @throws {RunDriven} @throws {RunStopped} if it is paused or finished @throws {TenantSecretsError} NOT_FOUND
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
 * The first statement of a step: verifies the lease, extends it, and stores the position. Works in a transaction of either
 * role.
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
 * Releases the lease, so that it need not expire. The error that stopped the driver, unless it was told to stop, is stored with
 * the run.
 *
 * @param ends whether nothing can continue the run, so that it is cancelled
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
      // An unavailable database holds the lease until it expires.
      if (!(thrown instanceof DatabaseError)) throw thrown;
    });
}
