import { sql, type SQL, type SQLWrapper } from "drizzle-orm";
import type { Statements } from "@repo/db";
import type { z } from "zod";
import type { Caller, CompanyId, ErrorCode, TenantSecretsError } from "@repo/catalog";
import type { Position, RunRow } from "./lease.ts";

/** A run's progress, in items of its phase. */
export interface RunProgress {
  readonly done: number;
  /** Undefined if the phase has no items, or their number is unknown. */
  readonly total?: number | undefined;
  readonly perSecond?: number | undefined;
  readonly secondsLeft?: number | undefined;
}

/** Called after each step, and while waiting. An error stops the run there. */
export type OnStep = (
  step: readonly [phase: string, done: string, progress: RunProgress],
) => void | Promise<void>;

/** The next phase. Given facts replace those of the same name. */
export interface Next<Phase extends string, Facts> {
  /** Naming the current phase restarts it, at its current cursor. */
  readonly phase: Phase | "done";
  readonly facts?: Partial<Facts>;
  /** The number of items of the next phase. */
  readonly total?: number;
  /**
   * The next phase starts no earlier, by the database's clock. The run gives up its lease, and a job drives it from there. For a
   * kind with `background` only.
   */
  readonly notBefore?: Date;
  readonly report?: { readonly report: string; readonly mac: string };
}

/** Proof that a phase has committed its last transaction. */
export interface Entered {
  readonly row: RunRow;
}

/** The context of a phase. All its changes go through `commit`, `commitIn` or `enter`. */
export interface RunStep<Input, Facts, Phase extends string> {
  readonly run: Pick<RunRow, "id" | "subject" | "phase" | "requestedByKind" | "requestedById" | "startedAt">;
  readonly input: Input;
  /** The facts that the phases have gathered so far. */
  readonly facts: Facts;
  /** The phase's cursor when it was interrupted; null at its start. */
  readonly cursor: unknown;
  readonly progress: RunProgress;
  /** The caller who is audited as the actor. */
  readonly caller: Caller;
  readonly signal: AbortSignal | undefined;
  /**
   * One transaction of the maintenance role, which checks the fencing token first.
   *
   * @throws {RunStopped} if the driver was stopped, or the run was paused or cancelled; nothing was committed
   * @throws {RunDriven} if another process has taken the run over; nothing was committed
   */
  commit<T>(
    work: (statements: Statements) => Promise<T>,
    at?: Position & { readonly facts?: Partial<Facts> },
  ): Promise<T>;
  /** As `commit`, in the application's role, in one company. */
  commitIn<T>(companyId: CompanyId, work: (statements: Statements) => Promise<T>, at?: Position): Promise<T>;
  /** The first statement of a transaction that others have begun, as that of `commit` is. @throws as `commit` */
  hold(statements: Statements): Promise<void>;
  /** The last transaction of the phase, and the start of the next one. As `commit`. */
  enter(
    next: Next<Phase, Facts> | ((statements: Statements) => Promise<Next<Phase, Facts>>),
  ): Promise<Entered>;
  /** Reports a step or a wait. @throws {RunStopped} as `commit`; the errors of `onStep` */
  say(done: string): Promise<void>;
}

/** A run that has failed so often that it goes on only when it is resumed. */
export interface FailedRun {
  readonly run: Pick<RunRow, "id" | "input">;
  readonly caller: Caller;
  readonly error: TenantSecretsError;
}

export type PlatformVerb = "companies" | "rotate";

/** The subject of a run about one secret. */
export function secretSubject(companyId: string, secretKey: string): string {
  return `${companyId} ${secretKey}`;
}

/** As {@link secretSubject}, of the rows of a table. */
export function secretSubjectIn(table: {
  readonly companyId: SQLWrapper;
  readonly secretKey: SQLWrapper;
}): SQL {
  return sql`${table.companyId} || ' ' || ${table.secretKey}`;
}

/** One kind of long-running work. docs/runs.md has a complete example. */
export interface RunDefinition<Input, Facts, Phase extends string, Tools> {
  /** Also the task name of its jobs. */
  readonly kind: string;
  /** What a page calls a run, such as "Rotation of a company's key"; by its input where runs of the kind differ. */
  readonly title: string | ((input: Input) => string);
  /**
   * `company`: the subject is the id of a company, whose people see its runs; `secret`: the subject begins with it, as
   * {@link secretSubject} makes it. `platform`: operators alone see them.
   */
  readonly concerns: "company" | "secret" | "platform";
  /** Of what happens all the time, and is seen only where its kind is asked for. */
  readonly isRoutine?: true;
  /** Its report is verified with it, or is what is left of something: a run that is over is kept for good. The trigger `keep_runs` names it too. */
  readonly isReceipt?: true;
  /** The version of the key that a run makes, once its facts have it. */
  readonly keyVersion?: (facts: Facts) => number | undefined;
  /** The verb that an operator needs to see, pause, resume or cancel it among all runs. */
  readonly verb: PlatformVerb;
  readonly first: NoInfer<Phase>;
  readonly input: z.ZodType<Input>;
  readonly facts: z.ZodType<Facts>;
  /**
   * The implementation of each phase. Its effects outside the database must be idempotent: after a kill, the next process
   * restarts the phase at its cursor, whether or not they happened.
   */
  readonly phases: Readonly<
    Record<Phase, (step: RunStep<Input, Facts, Phase>, tools: Tools) => Promise<Entered>>
  >;
  /** Whether it may end half done, after its clean-up if it has one. */
  readonly cancellable: boolean;
  /** Errors after which the run cannot continue: it is cancelled. */
  readonly fatal?: ReadonlySet<ErrorCode>;
  /** What is recorded of a run that has failed, in the same transaction. Where `ready` throws, the run fails without it. */
  readonly whenFailed?: {
    readonly ready: () => Promise<void>;
    readonly record: (statements: Statements, failed: FailedRun) => Promise<void>;
  };
  /**
   * For a kind that jobs can drive. A process without the tools leaves those jobs to others. Left out: a run ends with the
   * process that started it, and cannot be paused.
   */
  readonly background?: {
    /** The caller in whose name a job drives it. @throws if this process must not */
    readonly callerOf: (run: RunRow) => Caller;
    /** Wraps a job's work, such as in an operation that audits a failure. */
    readonly within?: (caller: Caller, work: () => Promise<void>) => Promise<void>;
    /** Called for each job. */
    readonly tools: (() => Tools) | undefined;
    /**
     * Undoes what a cancelled run leaves behind, before the run ends and another one of its subject can start. As a phase: it can
     * be killed and restarted at its cursor, and its steps are fenced. `run.phase` is the phase that was cancelled; cursor and
     * progress are the clean-up's own. A run that has `failed` can be resumed, and is cleaned up when it is cancelled.
     */
    readonly cleanUp?: (step: RunStep<Input, Facts, never>, tools: Tools) => Promise<Entered>;
  };
}
