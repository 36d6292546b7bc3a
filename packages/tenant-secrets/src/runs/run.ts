import { randomUUID } from "node:crypto";
import { and, desc, eq, isNull, sql } from "drizzle-orm";
import { enqueueJob, enqueueJobs, tables, type Database, type Statements } from "@repo/db";
import { asTenantSecretsError } from "@repo/audit-log";
import { type Caller, notFound } from "@repo/catalog";
import type { FailedRun, OnStep, RunDefinition, RunStep } from "./definition.ts";
import {
  type ChangeRun,
  leaseEnd,
  releaseRun,
  RunStopped,
  RunWaiting,
  takeLease,
  type Lease,
  type RunRow,
} from "./lease.ts";
import { progressOf } from "./progress.ts";
import { createStep } from "./step.ts";

const { runs } = tables;

export interface NewRun<Input, Facts> {
  readonly subject: string;
  readonly input: Input;
  readonly facts: Facts;
  readonly caller: Caller;
  /** The number of items of the first phase. */
  readonly total?: number;
}

export type StartedRun = Pick<RunRow, "id" | "subject">;

/** A run, and whether a process drives it, by the database's clock, by which leases expire. */
export interface FoundRun<Facts> {
  readonly row: RunRow;
  readonly facts: Facts;
  readonly driven: boolean;
}

export interface Drive<Tools> {
  readonly caller: Caller;
  readonly tools: Tools;
  /** Stops the run between two steps, with {@link RunStopped}. */
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: OnStep | undefined;
}

/** One kind of long-running work, whose runs can be started, found and driven. */
export interface Run<Input, Facts, Tools> extends Pick<
  RunDefinition<Input, Facts, string, Tools>,
  "kind" | "concerns" | "isRoutine" | "isReceipt" | "verb" | "cancellable"
> {
  /** What a page calls the run. */
  titleOf(run: Pick<RunRow, "input">): string;
  /** The version of the key that a run makes; undefined where there is none, or none yet. */
  keyVersionOf(run: Pick<RunRow, "facts">): number | undefined;
  /** What the phases of a run have gathered so far. */
  factsOf(run: Pick<RunRow, "facts">): Facts;
  /** Whether jobs can drive it as well. */
  readonly inBackground: boolean;
  /**
   * Adds a run in the caller's own transaction. Call it before anything that locks; it takes no other lock itself.
   *
   * @returns undefined if an unfinished run of the same subject exists
   */
  start(statements: Statements, run: NewRun<Input, Facts>): Promise<RunRow | undefined>;
  /** As `start`, of many runs that jobs drive, in two statements. @returns those that were started */
  startMany(statements: Statements, runs: readonly NewRun<Input, Facts>[]): Promise<readonly StartedRun[]>;
  /** As `start`, with a lease for the caller, which drives the run at once. */
  startDriven(statements: Statements, run: NewRun<Input, Facts>): Promise<(RunRow & Lease) | undefined>;
  /** Enqueues a job for a run, in the caller's own transaction; a failed run is retried. A run that waits has its job then. */
  readonly enqueue: ChangeRun;
  /** Cancels an unfinished run, in the caller's own transaction: at once, or after its clean-up, which a job does. */
  readonly cancel: ChangeRun;
  findUnfinished(subject: string): Promise<FoundRun<Facts> | undefined>;
  /** The unfinished run's id, read in the caller's own transaction without a lock. */
  lookUpUnfinished(statements: Statements, subject: string): Promise<Pick<RunRow, "id"> | undefined>;
  /**
   * The report of a finished run of this subject.
   *
   * @param id of that run; default: the last one
   */
  findReport(
    statements: Statements,
    subject: string,
    id?: string,
  ): Promise<{ readonly report: string; readonly mac: string } | undefined>;
  /** @throws {TenantSecretsError} NOT_FOUND */
  get(id: string): Promise<FoundRun<Facts>>;
  /**
   * Drives the run from its position, phase by phase, to its end or to a wait; or a cancelled one to the end of its clean-up.
   *
   * @param run one that was just started with a lease, or its id
   * @throws {RunDriven} if another process drives it
   * @throws {RunWaiting} if it waits for a time
   * @throws {RunStopped} if it was stopped, paused or cancelled
   * @throws {TenantSecretsError} a phase's error, which is stored with the run
   */
  drive(run: (RunRow & Lease) | string, drive: Drive<Tools>): Promise<{ row: RunRow; facts: Facts }>;
  /** The job that drives a run; undefined if this process lacks the tools. A run that needs no driver is skipped. */
  readonly work: ((id: string, signal: AbortSignal) => Promise<void>) | undefined;
}

export function defineRun<Input, Facts extends object, Phase extends string, Tools>(
  database: Database,
  definition: RunDefinition<Input, Facts, Phase, Tools>,
): Run<Input, Facts, Tools> {
  const { kind, title, concerns, isRoutine, isReceipt, verb, cancellable, background, phases } = definition;

  const companyOf = (subject: string): string | null =>
    concerns === "platform" ? null : (subject.split(" ")[0] ?? null);

  const insert = async (
    statements: Statements,
    { subject, input, facts, caller, total }: NewRun<Input, Facts>,
    holder?: string,
  ): Promise<RunRow | undefined> => {
    const [row] = await statements
      .insert(runs)
      .values({
        kind,
        subject,
        companyId: companyOf(subject),
        phase: definition.first,
        input,
        facts,
        total,
        requestedByKind: caller.actor.kind,
        requestedById: caller.actor.id,
        ...(holder !== undefined && { leaseHolder: holder, leaseUntil: leaseEnd, fence: 1 }),
      })
      .onConflictDoNothing()
      .returning();
    return row;
  };

  // One parameter: a list of values with a parameter each costs the server more to plan than to insert.
  const insertMany = async (
    statements: Statements,
    news: readonly NewRun<Input, Facts>[],
  ): Promise<readonly StartedRun[]> =>
    statements.execute<{ id: string; subject: string }>(sql`
      insert into runs (kind, phase, subject, company_id, input, facts, total, requested_by_kind, requested_by_id)
      select ${kind}, ${definition.first}, n.* from json_to_recordset(${JSON.stringify(
        news.map(({ subject, input, facts, caller, total }) => ({
          subject,
          company_id: companyOf(subject),
          input,
          facts,
          total,
          actor_kind: caller.actor.kind,
          actor_id: caller.actor.id,
        })),
      )}::text::json)
        as n(subject text, company_id uuid, input jsonb, facts jsonb, total integer, actor_kind text, actor_id text)
      on conflict do nothing returning id, subject`);

  const find = async (where: ReturnType<typeof and>): Promise<FoundRun<Facts> | undefined> => {
    const [found] = await database.acrossCompanies((statements) =>
      statements
        .select({ row: runs, driven: sql<boolean>`coalesce(${runs.leaseUntil} > now(), false)` })
        .from(runs)
        .where(and(eq(runs.kind, kind), where)),
    );
    return found && { ...found, facts: definition.facts.parse(found.row.facts) };
  };

  const get = async (id: string): Promise<FoundRun<Facts>> => {
    const found = await find(eq(runs.id, id));
    if (found === undefined) throw notFound();
    return found;
  };

  const enqueue: ChangeRun = async (statements, { id }) => {
    await statements
      .update(runs)
      .set({ state: "running", attempts: 0 })
      .where(and(eq(runs.id, id), eq(runs.state, "failed")));
    const [row] = await statements.select({ notBefore: runs.notBefore }).from(runs).where(eq(runs.id, id));
    const runAt = row?.notBefore ?? undefined;
    await enqueueJob(statements, { task: kind, payload: { run: id }, jobKey: id, ...(runAt && { runAt }) });
  };

  // A run of an earlier release that had a clean-up ends without it.
  const cleanUp =
    background?.cleanUp ?? ((step: RunStep<Input, Facts, never>) => step.enter({ phase: "done" }));

  const cancel: ChangeRun = async (statements, { id }) => {
    const cleansUp = background?.cleanUp !== undefined;
    await statements
      .update(runs)
      .set({
        leaseHolder: null,
        leaseUntil: null,
        notBefore: null,
        updatedAt: sql`now()`,
        ...(cleansUp
          ? { state: "cancelling", attempts: 0, cursor: null, done: 0, total: null, rate: null }
          : { state: "cancelled", finishedAt: sql`now()` }),
      })
      .where(eq(runs.id, id));
    if (cleansUp) await enqueue(statements, { id });
  };

  const drive: Run<Input, Facts, Tools>["drive"] = async (run, { caller, tools, signal, onStep }) => {
    const leased = typeof run === "string" ? await takeLease(database, run) : run;
    const lease: Lease = { holder: leased.holder, token: leased.token };
    let row: RunRow = leased;
    try {
      while (needsDriver(row) && row.notBefore === null) {
        if (signal?.aborted === true) throw new RunStopped("aborted");
        const cleansUp = row.state === "cancelling";
        const { phase } = row;
        if (!isPhase(definition, phase)) throw new Error("a run has the phases of its kind");
        const name = cleansUp ? "clean-up" : phase;
        await onStep?.([name, "begins", progressOf(row)]);
        const parts = { database, definition, row, lease, caller, signal, onStep, enqueue };
        row = (await (cleansUp ? cleanUp(createStep(parts), tools) : phases[phase](createStep(parts), tools)))
          .row;
        await onStep?.([name, "is done", progressOf(row)]);
      }
      return { row, facts: definition.facts.parse(row.facts) };
    } catch (thrown) {
      const stopped = thrown instanceof RunStopped;
      if (needsDriver(row)) {
        const error = stopped ? undefined : asTenantSecretsError(thrown);
        const isFatal =
          row.state === "running" && error !== undefined && definition.fatal?.has(error.code) === true;
        const end = isFatal || background === undefined ? cancel : undefined;
        const record = error && (await recorderOf(definition, { run: row, caller, error }));
        await releaseRun(database, { id: row.id, ...lease }, { error, end, record });
      }
      throw thrown;
    }
  };

  return {
    kind,
    titleOf: ({ input }) => (typeof title === "string" ? title : title(definition.input.parse(input))),
    concerns,
    ...(isRoutine && { isRoutine }),
    ...(isReceipt && { isReceipt }),
    verb,
    cancellable,
    keyVersionOf: ({ facts }) => definition.keyVersion?.(definition.facts.parse(facts)),
    factsOf: ({ facts }) => definition.facts.parse(facts),
    inBackground: background !== undefined,
    start: (statements, run) => insert(statements, run),
    startMany: async (statements, news) => {
      if (news.length === 0) return [];
      const started = await insertMany(statements, news);
      await enqueueJobs(
        statements,
        kind,
        started.map(({ id }) => ({ payload: { run: id }, jobKey: id })),
      );
      return started;
    },
    startDriven: async (statements, run) => {
      if (background === undefined) await endAbandoned(statements, kind);
      const holder = randomUUID();
      const row = await insert(statements, run, holder);
      return row && { ...row, holder, token: row.fence };
    },
    enqueue,
    cancel,
    findUnfinished: (subject) => find(and(eq(runs.subject, subject), isNull(runs.finishedAt))),
    lookUpUnfinished: async (statements, subject) => {
      const [found] = await statements
        .select({ id: runs.id })
        .from(runs)
        .where(and(eq(runs.kind, kind), eq(runs.subject, subject), isNull(runs.finishedAt)));
      return found;
    },
    findReport: async (statements, subject, id) => {
      const [row] = await statements
        .select({ report: runs.report, mac: runs.reportMac })
        .from(runs)
        .where(
          and(
            eq(runs.kind, kind),
            eq(runs.subject, subject),
            eq(runs.state, "done"),
            id === undefined ? undefined : eq(runs.id, id),
          ),
        )
        .orderBy(desc(runs.finishedAt))
        .limit(1);
      const { report, mac } = row ?? {};
      return typeof report === "string" && typeof mac === "string" ? { report, mac } : undefined;
    },
    get,
    drive,
    work:
      background?.tools &&
      (async (id, signal) => {
        const { row } = await get(id);
        if (!needsDriver(row)) return;
        const { callerOf, tools, within = (_, work) => work() } = background;
        if (tools === undefined) return;
        const caller = callerOf(row);
        try {
          await within(caller, async () => {
            await drive(id, { caller, tools: tools(), signal });
          });
        } catch (error) {
          // A run that was paused or cancelled meanwhile is not continued by this job.
          if (error instanceof RunStopped && error.because !== "aborted") return;
          if (!(error instanceof RunWaiting)) throw error;
          // This job came before its time: without another one, the run would wait for ever.
          await database.acrossCompanies((statements) => enqueue(statements, { id }));
        }
      }),
  };
}

/** @returns undefined where nothing is recorded, or cannot be */
async function recorderOf(
  { whenFailed }: Pick<RunDefinition<unknown, object, string, unknown>, "whenFailed">,
  failed: FailedRun,
): Promise<((statements: Statements) => Promise<void>) | undefined> {
  if (whenFailed === undefined) return undefined;
  try {
    await whenFailed.ready();
  } catch {
    return undefined;
  }
  return (statements) => whenFailed.record(statements, failed);
}

/** Cancels runs that jobs cannot drive, and whose process is gone. */
async function endAbandoned(statements: Statements, kind: string): Promise<void> {
  await statements
    .update(runs)
    .set({ state: "cancelled", finishedAt: sql`now()`, leaseHolder: null, leaseUntil: null })
    .where(and(eq(runs.kind, kind), eq(runs.state, "running"), sql`${runs.leaseUntil} < now()`));
}

/** Whether phases of the run, or its clean-up, are left to a driver. */
function needsDriver({ state }: RunRow): boolean {
  return state === "running" || state === "cancelling";
}

function isPhase<Phase extends string>(
  { phases }: { readonly phases: Readonly<Record<Phase, unknown>> },
  name: string,
): name is Phase {
  return Object.hasOwn(phases, name);
}
