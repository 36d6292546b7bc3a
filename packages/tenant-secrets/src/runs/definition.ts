import type { Statements } from "@repo/db";
import type { z } from "zod";
import type { Caller, CompanyId, ErrorCode } from "@repo/catalog";
import type { Position, RunRow } from "./lease.ts";

/** How far a run is: in the items of its phase. */
export interface RunProgress {
  readonly done: number;
  /** Undefined where the phase has no items, or their number is not known. */
  readonly total?: number | undefined;
  readonly perSecond?: number | undefined;
  readonly secondsLeft?: number | undefined;
}

/** Told after each thing that is done, and while something is waited for. What it throws stops the run there. */
export type OnStep = (
  step: readonly [phase: string, done: string, progress: RunProgress],
) => void | Promise<void>;

/** What comes next. The facts that are given replace those of the same name. */
export interface Next<Phase extends string, Facts> {
  /** The same phase again begins at its cursor. */
  readonly phase: Phase | "done";
  readonly facts?: Partial<Facts>;
  /** How many items the next phase has. */
  readonly total?: number;
  readonly report?: { readonly report: string; readonly mac: string };
}

/** The proof of a phase that its last transaction is committed. */
export interface Entered {
  readonly row: RunRow;
}

/** What a phase gets. Everything that it changes goes through `commit`, `commitIn` or `enter`. */
export interface RunStep<Input, Facts, Phase extends string> {
  readonly run: Pick<RunRow, "id" | "subject" | "requestedByKind" | "requestedById" | "startedAt">;
  readonly input: Input;
  /** What the phases have found out so far. */
  readonly facts: Facts;
  /** Where the phase was when it was interrupted; null at its beginning. */
  readonly cursor: unknown;
  readonly progress: RunProgress;
  /** In whose name it is done. */
  readonly caller: Caller;
  readonly signal: AbortSignal | undefined;
  /**
   * One transaction of the maintenance role, which checks the fencing token first.
   *
   * @throws {RunStopped} where the driver was told to stop, or the run was paused or cancelled; nothing was done
   * @throws {RunDriven} where another process has taken the run over; nothing was done
   */
  commit<T>(
    work: (statements: Statements) => Promise<T>,
    at?: Position & { readonly facts?: Partial<Facts> },
  ): Promise<T>;
  /** The same of the application's role, in one company. */
  commitIn<T>(companyId: CompanyId, work: (statements: Statements) => Promise<T>, at?: Position): Promise<T>;
  /** The last transaction of the phase, and the beginning of the next one. As `commit`. */
  enter(
    next: Next<Phase, Facts> | ((statements: Statements) => Promise<Next<Phase, Facts>>),
  ): Promise<Entered>;
  /** Tells what was done or is waited for. @throws {RunStopped} as `commit`; what `onStep` throws */
  say(done: string): Promise<void>;
}

export type PlatformVerb = "companies" | "rotate";

/** One kind of long work. docs/runs.md shows a whole one. */
export interface RunDefinition<Input, Facts, Phase extends string, Tools> {
  /** Also the name of the task of its jobs. */
  readonly kind: string;
  /** What an operator has to be allowed to, to see, pause, resume or cancel it. */
  readonly verb: PlatformVerb;
  readonly first: NoInfer<Phase>;
  readonly input: z.ZodType<Input>;
  readonly facts: z.ZodType<Facts>;
  /**
   * What each phase does. Whatever it does outside the database can be repeated: a process that is killed has done it, or
   * has not, and the next one begins the phase again at its cursor.
   */
  readonly phases: Readonly<
    Record<Phase, (step: RunStep<Input, Facts, Phase>, tools: Tools) => Promise<Entered>>
  >;
  /** Whether it may end half done. */
  readonly cancellable: boolean;
  /** Errors after which there is nothing left to go on with: such a run is cancelled. */
  readonly fatal?: ReadonlySet<ErrorCode>;
  /**
   * For a kind that jobs do as well. A process without tools leaves those jobs to others. Left out, a run ends with the process
   * that started it, and cannot be paused.
   */
  readonly background?: {
    /** In whose name a job does it. @throws where it is not this process's to do */
    readonly callerOf: (run: RunRow) => Caller;
    /** What a job does it in, such as an operation that audits a failure. */
    readonly within?: (caller: Caller, work: () => Promise<void>) => Promise<void>;
    /** Called for each job. */
    readonly tools: (() => Tools) | undefined;
  };
}
