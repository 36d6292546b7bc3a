import { eq, sql } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import type { Caller, CompanyId } from "@repo/catalog";
import type { Next, OnStep, RunDefinition, RunStep } from "./definition.ts";
import { type ChangeRun, holdRun, RunStopped, type Lease, type Position, type RunRow } from "./lease.ts";
import { createRate, progressOf } from "./progress.ts";

const { runs } = tables;

export interface StepParts<Input, Facts, Phase extends string, Tools> {
  readonly database: Database;
  readonly definition: RunDefinition<Input, Facts, Phase, Tools>;
  readonly row: RunRow;
  readonly lease: Lease;
  readonly caller: Caller;
  readonly signal: AbortSignal | undefined;
  readonly onStep: OnStep | undefined;
  readonly enqueue: ChangeRun;
}

/** The context of one phase, or of the clean-up, from its start to what follows. */
export function createStep<Input, Facts extends object, Phase extends string, Tools>(
  parts: StepParts<Input, Facts, Phase, Tools>,
): RunStep<Input, Facts, Phase> {
  const { database, definition, row, lease, caller, signal, onStep, enqueue } = parts;
  let facts = definition.facts.parse(row.facts);
  let { done } = row;
  const rateAt = createRate(done);

  const progress = () => progressOf({ ...row, done, rate: rateAt(done) ?? null });

  const stopIfTold = (): void => {
    if (signal?.aborted === true) throw new RunStopped("aborted");
  };

  const withRate = (at: Position): Position => ({
    ...at,
    rate: at.done === undefined ? undefined : rateAt(at.done),
  });

  /** @param companyId of the company in whose context the application's role runs it; undefined for the maintenance role */
  const held = async <T>(
    companyId: CompanyId | undefined,
    at: Position,
    work: (statements: Statements) => Promise<T>,
  ): Promise<T> => {
    const position = withRate(at);
    const inside = async (statements: Statements): Promise<T> => {
      await holdRun(statements, row.id, { ...lease, ...position });
      return work(statements);
    };
    const result = await (companyId === undefined
      ? database.acrossCompanies(inside)
      : database.inCompany(companyId, inside));
    done = at.done ?? done;
    return result;
  };

  const enterNext = async (statements: Statements, next: Next<Phase, Facts>): Promise<RunRow> => {
    const ends = next.phase === "done";
    const notBefore = ends ? undefined : next.notBefore;
    const cancelled = row.state === "cancelling";
    if (notBefore !== undefined && definition.background === undefined)
      throw new Error("a run that ends with its process cannot wait for a job");
    const [entered] = await statements
      .update(runs)
      .set({
        phase: cancelled ? row.phase : next.phase,
        facts: { ...facts, ...next.facts },
        attempts: 0,
        // What cancelled a run stays with it.
        ...(cancelled ? {} : { errorCode: null, errorMessage: null }),
        ...(next.phase === row.phase ? {} : { cursor: null }),
        ...(ends
          ? { state: cancelled ? "cancelled" : "done", finishedAt: sql`now()`, rate: null }
          : { done: 0, total: next.total ?? null, rate: null, notBefore }),
        ...((ends || notBefore !== undefined) && { leaseHolder: null, leaseUntil: null }),
        ...(next.report && { report: next.report.report, reportMac: next.report.mac }),
      })
      .where(eq(runs.id, row.id))
      .returning();
    if (entered === undefined) throw new Error("a run that is held is there");
    if (notBefore !== undefined) await enqueue(statements, entered);
    return entered;
  };

  const commit = async <T>(
    work: (statements: Statements) => Promise<T>,
    at: Position & { readonly facts?: Partial<Facts> } = {},
  ): Promise<T> => {
    stopIfTold();
    const result = await held<T>(undefined, at, async (statements) => {
      const worked = await work(statements);
      if (at.facts !== undefined) {
        await statements
          .update(runs)
          .set({ facts: { ...facts, ...at.facts } })
          .where(eq(runs.id, row.id));
      }
      return worked;
    });
    facts = { ...facts, ...at.facts };
    return result;
  };

  return {
    run: row,
    input: definition.input.parse(row.input),
    get facts() {
      return facts;
    },
    cursor: row.cursor,
    get progress() {
      return progress();
    },
    caller,
    signal,
    commit,
    commitIn: (companyId, work, at = {}) => {
      stopIfTold();
      return held(companyId, at, work);
    },
    hold: async (statements) => {
      stopIfTold();
      await holdRun(statements, row.id, lease);
    },
    // Effects outside the database are committed before anything is stopped.
    enter: async (next) => ({
      row: await held(undefined, {}, async (statements) =>
        enterNext(statements, typeof next === "function" ? await next(statements) : next),
      ),
    }),
    say: async (text) => {
      await onStep?.([row.state === "cancelling" ? "clean-up" : row.phase, text, progress()]);
      stopIfTold();
    },
  };
}
