import { and, desc, eq, inArray, isNull, sql, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import {
  type Caller,
  forbidden,
  notFound,
  type RunDescription,
  type RunQuery,
  TenantSecretsError,
} from "@repo/catalog";
import { audited, type Operations } from "../access/operation.ts";
import { permitsOnPlatform } from "../access/permissions.ts";
import type { RunRow } from "./lease.ts";
import { progressOf } from "./progress.ts";
import type { Run } from "./run.ts";

const { runs } = tables;

/**
 * Operators' control of long-running work. A request takes effect at the next step: the step in progress is committed
 * completely, or rolled back completely.
 */
export interface RunControl {
  /** The newest first. @throws {TenantSecretsError} FORBIDDEN */
  list(caller: Caller, query: RunQuery): Promise<readonly RunDescription[]>;
  /** @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND */
  get(caller: Caller, id: string): Promise<RunDescription>;
  /** @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; CONFLICT if it is not running; NOT_SUPPORTED as `resume` */
  pause(caller: Caller, id: string): Promise<RunDescription>;
  /**
   * Continues a run that was paused, has failed or lost its process, as a job; or the clean-up of a cancelled one.
   *
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; CONFLICT if it is finished; NOT_SUPPORTED if a run of this kind ends
   *   with the process that started it
   */
  resume(caller: Caller, id: string): Promise<RunDescription>;
  /**
   * Ends a run permanently. Its finished steps stay, unless its kind has a clean-up: a job undoes them, and the run is
   * `cancelling` until then.
   *
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; CONFLICT if it is finished or cancelling; NOT_SUPPORTED if a run of
   *   this kind may not end half done
   */
  cancel(caller: Caller, id: string): Promise<RunDescription>;
  /** How jobs of this process drive a run, by its kind. */
  readonly work: Readonly<Record<string, NonNullable<RunKind["work"]>>>;
}

/** All kinds of runs. */
export type RunKind = Pick<
  Run<never, object, never>,
  "kind" | "verb" | "cancellable" | "inBackground" | "enqueue" | "cancel" | "work"
>;

export function createRunControl(operations: Operations, kinds: readonly RunKind[]): RunControl {
  /** The kinds that the caller may control. None is a denial. */
  const permittedTo = (caller: Caller) => {
    const permitted = kinds
      .filter(({ verb }) => permitsOnPlatform(caller.actor, verb))
      .map(({ kind }) => kind);
    const deny = permitted.length === 0 ? forbidden("manage runs") : undefined;
    return { allowed: inArray(runs.kind, permitted), deny };
  };

  const change = (
    caller: Caller,
    { id, action }: { readonly id: string; readonly action: "run.pause" | "run.resume" | "run.cancel" },
    to: (statements: Statements, row: RunRow, kind: RunKind) => Promise<void>,
  ): Promise<RunDescription> => {
    const { allowed, deny } = permittedTo(caller);
    return operations.change({ caller, action, subject: id, deny }, async ({ statements }) => {
      const named = and(allowed, eq(runs.id, id));
      const [row] = await statements.select().from(runs).where(named).for("update");
      const kind = kinds.find((each) => each.kind === row?.kind);
      if (row === undefined || kind === undefined) throw notFound();
      if (row.finishedAt !== null) throw conflict(`This run is ${row.state}: there is nothing to change.`);
      await to(statements, row, kind);
      return audited(await get(statements, named), {});
    });
  };

  return {
    work: Object.fromEntries(kinds.flatMap(({ kind, work }) => (work === undefined ? [] : [[kind, work]]))),
    list: (caller, { unfinished, before, limit }) => {
      const { allowed, deny } = permittedTo(caller);
      return operations.read({ caller, action: "run.list", deny }, async (across) => {
        const older =
          before === undefined
            ? undefined
            : sql`(${runs.startedAt}, ${runs.id}) < (select r.started_at, r.id from ${runs} r where r.id = ${before})`;
        const wanted = and(allowed, older, unfinished === true ? isNull(runs.finishedAt) : undefined);
        return audited(await across((statements) => select(statements, wanted, limit)), {});
      });
    },
    get: (caller, id) => {
      const { allowed, deny } = permittedTo(caller);
      return operations.read({ caller, action: "run.get", subject: id, deny }, async (across) =>
        audited(await across((statements) => get(statements, and(allowed, eq(runs.id, id)))), {}),
      );
    },
    pause: (caller, id) =>
      change(caller, { id, action: "run.pause" }, async (statements, { state }, { inBackground }) => {
        if (!inBackground) throw endsWithItsProcess();
        if (state !== "running") throw conflict(`This run is ${state}, not running.`);
        await update(statements, id, { state: "paused" });
      }),
    resume: (caller, id) =>
      change(caller, { id, action: "run.resume" }, async (statements, row, { inBackground, enqueue }) => {
        if (!inBackground) throw endsWithItsProcess();
        const state = row.state === "cancelling" ? row.state : "running";
        await update(statements, id, { state, attempts: 0 });
        await enqueue(statements, row);
      }),
    cancel: (caller, id) =>
      change(caller, { id, action: "run.cancel" }, async (statements, row, { cancellable, cancel }) => {
        if (!cancellable) throw notCancellable();
        if (row.state === "cancelling")
          throw conflict("This run is being cancelled: its clean-up is not finished.");
        await cancel(statements, row);
      }),
  };
}

async function update(
  statements: Statements,
  id: string,
  changes: Partial<Pick<RunRow, "state" | "attempts">>,
): Promise<void> {
  await statements
    .update(runs)
    .set({ ...changes, updatedAt: sql`now()` })
    .where(eq(runs.id, id));
}

async function select(
  statements: Statements,
  where: SQL | undefined,
  limit: number,
): Promise<RunDescription[]> {
  const found = await statements
    .select({ row: runs, driven: sql<boolean>`coalesce(${runs.leaseUntil} > now(), false)` })
    .from(runs)
    .where(where)
    .orderBy(desc(runs.startedAt), desc(runs.id))
    .limit(limit);
  return found.map(descriptionOf);
}

async function get(statements: Statements, where: SQL | undefined): Promise<RunDescription> {
  const [found] = await select(statements, where, 1);
  if (found === undefined) throw notFound();
  return found;
}

function descriptionOf({ row, driven }: { readonly row: RunRow; readonly driven: boolean }): RunDescription {
  const { id, kind, subject, state, phase, attempts, errorCode, errorMessage } = row;
  const { requestedByKind, requestedById, notBefore, startedAt, updatedAt, finishedAt } = row;
  return {
    id,
    kind,
    subject,
    state,
    phase,
    ...progressOf(row),
    driven,
    notBefore: notBefore ?? undefined,
    attempts,
    error: errorCode === null ? undefined : { code: errorCode, message: errorMessage ?? "" },
    requestedBy: { kind: requestedByKind, id: requestedById },
    startedAt,
    updatedAt,
    finishedAt: finishedAt ?? undefined,
  };
}

function conflict(message: string): TenantSecretsError {
  return new TenantSecretsError("CONFLICT", message);
}

function notCancellable(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    "A run of this kind may not end half done: pause it, or let it finish.",
  );
}

function endsWithItsProcess(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    "A run of this kind ends with the process that started it: cancel it, and start another one, which does the rest.",
  );
}
