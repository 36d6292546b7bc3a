import { randomUUID } from "node:crypto";
import { and, eq, isNull, notInArray, or, sql } from "drizzle-orm";
import { DatabaseError, tables, type Database, type Statements } from "@repo/db";
import { notFound, TenantSecretsError } from "@repo/catalog";

const { runs } = tables;

export type RunRow = typeof runs.$inferSelect;
export type RunState = RunRow["state"];

/** Seconds after its last committed step until a run can be taken over by another process. */
const leaseSeconds = 30;

/** Failures in a row after which a run fails until it is started or resumed: the job queue retries as often. */
export const mostAttempts = 25;

/** A change of a run in the caller's own transaction. */
export type ChangeRun = (statements: Statements, run: Pick<RunRow, "id">) => Promise<void>;

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

/** The run waits for a time, and no process drives it until then. */
export class RunWaiting extends TenantSecretsError {
  constructor(until: Date) {
    super("CONFLICT", `The run waits until ${until.toISOString()}, and a job continues it then.`);
  }
}

export const leaseEnd = sql`clock_timestamp() + make_interval(secs => ${leaseSeconds})`;

/**
 * Takes the lease of a run; a failed run becomes running again.
 *
 * @throws {RunDriven} @throws {RunWaiting} @throws {RunStopped} if it is paused or finished
 * @throws {TenantSecretsError} NOT_FOUND
 */
export async function takeLease(database: Database, id: string): Promise<RunRow & Lease> {
  return database.acrossCompanies(async (statements) => {
    const holder = randomUUID();
    const [row] = await statements
      .update(runs)
      .set({
        state: sql`case when ${runs.state} = 'failed' then 'running' else ${runs.state} end`,
        notBefore: null,
        leaseHolder: holder,
        leaseUntil: leaseEnd,
        fence: sql`${runs.fence} + 1`,
        updatedAt: sql`now()`,
      })
      .where(
        and(
          eq(runs.id, id),
          notInArray(runs.state, ["paused", "done", "cancelled"]),
          or(isNull(runs.leaseUntil), sql`${runs.leaseUntil} < now()`),
          or(isNull(runs.notBefore), sql`${runs.notBefore} <= now()`),
        ),
      )
      .returning();
    if (row !== undefined) return { ...row, holder, token: row.fence };
    const [there] = await statements
      .select({ state: runs.state, notBefore: runs.notBefore })
      .from(runs)
      .where(eq(runs.id, id));
    if (there === undefined) throw notFound();
    const { state } = there;
    if (state === "paused" || state === "done" || state === "cancelled") throw new RunStopped(state);
    throw there.notBefore === null ? new RunDriven() : new RunWaiting(there.notBefore);
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
 * @param end cancels a run that nothing can continue, in the same transaction
 * @param record records that the run has failed, in the same transaction
 */
export async function releaseRun(
  database: Database,
  { id, holder }: Lease & Pick<RunRow, "id">,
  {
    error,
    end,
    record,
  }: {
    readonly error: TenantSecretsError | undefined;
    readonly end: ChangeRun | undefined;
    readonly record: ((statements: Statements) => Promise<void>) | undefined;
  },
): Promise<void> {
  const failure = error && {
    attempts: sql`${runs.attempts} + 1`,
    errorCode: error.code,
    errorMessage: error.message,
    state: sql<RunState>`case when ${runs.state} = 'running' and ${runs.attempts} + 1 >= ${mostAttempts} then 'failed' else ${runs.state} end`,
  };
  await database
    .acrossCompanies(async (statements) => {
      const [released] = await statements
        .update(runs)
        .set({ ...failure, leaseHolder: null, leaseUntil: null, updatedAt: sql`now()` })
        .where(and(eq(runs.id, id), eq(runs.leaseHolder, holder)))
        .returning({ id: runs.id, state: runs.state });
      if (released?.state === "failed") await record?.(statements);
      if (released !== undefined) await end?.(statements, released);
    })
    .catch((thrown: unknown) => {
      // An unavailable database holds the lease until it expires.
      if (!(thrown instanceof DatabaseError)) throw thrown;
    });
}
