import { and, eq, gt, inArray, isNull, notInArray, or, sql, type SQL } from "drizzle-orm";
import { type Database, tables, type Statements } from "@repo/db";
import { throwTenantSecretsError } from "@repo/audit-log";
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
import type { Companies, Company } from "../companies/companies.ts";
import type { RunRow } from "./lease.ts";
import type { Run } from "./run.ts";
import { createRunDescriptions, type DescribedKind } from "./run-descriptions.ts";
import { olderThan } from "./run-pages.ts";

const { runs } = tables;

/**
 * Who sees long-running work, and operators' control of it. A request takes effect at the next step: the step in progress is committed
 * completely, or rolled back completely.
 */
export interface RunControl {
  /**
   * The newest first. With a company, that company's runs, for its people as well; without one, all, for operators. Not audited,
   * since each open page asks for it four times a minute; a denial is.
   *
   * @throws {TenantSecretsError} FORBIDDEN; NOT_FOUND for a company that the caller may not enter; COMPANY_SUSPENDED,
   *   RATE_LIMITED, DATABASE_UNAVAILABLE
   */
  list(caller: Caller, query: RunQuery): Promise<readonly RunDescription[]>;
  /** @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND */
  get(caller: Caller, id: string): Promise<RunDescription>;
  /** Idempotent. @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; CONFLICT if it is not running; NOT_SUPPORTED as `resume` */
  pause(caller: Caller, id: string): Promise<RunDescription>;
  /**
   * Continues a run that was paused, has failed or lost its process, as a job; or the clean-up of a cancelled one. Idempotent.
   *
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; CONFLICT if it is finished; NOT_SUPPORTED if a run of this kind ends
   *   with the process that started it
   */
  resume(caller: Caller, id: string): Promise<RunDescription>;
  /**
   * Ends a run permanently. Its finished steps stay, unless its kind has a clean-up: a job undoes them, and the run is
   * `cancelling` until then. Idempotent.
   *
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; CONFLICT if it is done; NOT_SUPPORTED if a run of this kind may not end
   *   half done
   */
  cancel(caller: Caller, id: string): Promise<RunDescription>;
  /** How jobs of this process drive a run, by its kind. */
  readonly work: Readonly<Record<string, NonNullable<RunKind["work"]>>>;
}

/** All kinds of runs. */
export type RunKind = DescribedKind &
  Pick<Run<never, object, never>, "verb" | "cancellable" | "inBackground" | "enqueue" | "cancel" | "work">;

interface RequestedChange {
  readonly id: string;
  readonly action: "run.pause" | "run.resume" | "run.cancel";
  /** The states in which there is nothing left to do. */
  readonly already: ReadonlySet<RunRow["state"]>;
}

const paused: RequestedChange["already"] = new Set(["paused"]);
/** One that is running may have lost its job. */
const none: RequestedChange["already"] = new Set();
const cancelled: RequestedChange["already"] = new Set(["cancelling", "cancelled"]);

export interface RunControlParts {
  readonly database: Database;
  readonly operations: Operations;
  readonly companies: Pick<Companies, "resolve">;
}

export function createRunControl(
  { database, operations, companies }: RunControlParts,
  kinds: readonly RunKind[],
): RunControl {
  const { select, get } = createRunDescriptions(kinds);
  const routine = kinds.filter(({ isRoutine }) => isRoutine === true).map(({ kind }) => kind);

  /** The kinds that the caller may control. None is a denial. */
  const permittedTo = (caller: Caller) => {
    const permitted = kinds
      .filter(({ verb }) => permitsOnPlatform(caller.actor, verb))
      .map(({ kind }) => kind);
    const deny = permitted.length === 0 ? forbidden("manage runs") : undefined;
    return { allowed: inArray(runs.kind, permitted), deny };
  };

  /** The runs that the caller may see: of a company, or of the platform. None is a denial. */
  const visibleTo = async (
    caller: Caller,
    subdomain: string | undefined,
  ): Promise<{ readonly allowed: SQL | undefined; readonly company?: Company }> => {
    const asked = { caller, action: "run.list" } as const;
    if (subdomain === undefined) {
      const { allowed, deny } = permittedTo(caller);
      await operations.authorize({ ...asked, deny });
      return { allowed };
    }
    const { company } = await companies.resolve(asked, subdomain);
    // The error of a run may name secrets that a program's grant does not cover.
    const { kind: actorKind } = caller.actor;
    const deny = actorKind === "service" || actorKind === "job" ? forbidden("see runs") : undefined;
    await operations.authorize({ ...asked, company, verb: "describe", deny });
    return { allowed: eq(runs.companyId, company.id), company };
  };

  const change = (
    caller: Caller,
    { id, action, already }: RequestedChange,
    to: (statements: Statements, row: RunRow, kind: RunKind) => Promise<void>,
  ): Promise<RunDescription> => {
    const { allowed, deny } = permittedTo(caller);
    return operations.change({ caller, action, subject: id, deny }, async ({ statements }) => {
      const named = and(allowed, eq(runs.id, id));
      const [row] = await statements.select().from(runs).where(named).for("update");
      const kind = kinds.find((each) => each.kind === row?.kind);
      if (row === undefined || kind === undefined) throw notFound();
      // A retry, whose first answer was lost, gets the same one.
      if (already.has(row.state)) return audited(await get(statements, named), {});
      if (row.finishedAt !== null) throw conflict(`This run is ${row.state}: there is nothing to change.`);
      await to(statements, row, kind);
      return audited(await get(statements, named), {});
    });
  };

  return {
    work: Object.fromEntries(kinds.flatMap(({ kind, work }) => (work === undefined ? [] : [[kind, work]]))),
    list: async (caller, { company: subdomain, kind, unfinished, recent, before, limit }) => {
      const { allowed, company } = await visibleTo(caller, subdomain);
      return database
        .acrossCompanies((statements) => {
          const ofPage = before === undefined ? undefined : olderThan(statements, { before, allowed });
          const ofKind = kind === undefined ? notInArray(runs.kind, routine) : eq(runs.kind, kind);
          const open = unfinished === true ? isNull(runs.finishedAt) : undefined;
          const where = and(allowed, ofPage, ofKind, open, recent === true ? isRecent : undefined);
          return select(statements, { where, limit, company: company?.id });
        })
        .catch(throwTenantSecretsError);
    },
    get: (caller, id) => {
      const { allowed, deny } = permittedTo(caller);
      return operations.read({ caller, action: "run.get", subject: id, deny }, async (across) =>
        audited(await across((statements) => get(statements, and(allowed, eq(runs.id, id)))), {}),
      );
    },
    pause: (caller, id) =>
      change(
        caller,
        { id, action: "run.pause", already: paused },
        async (statements, { state }, { inBackground }) => {
          if (!inBackground) throw endsWithItsProcess();
          if (state !== "running") throw conflict(`This run is ${state}, not running.`);
          await update(statements, id, { state: "paused" });
        },
      ),
    resume: (caller, id) =>
      change(
        caller,
        { id, action: "run.resume", already: none },
        async (statements, row, { inBackground, enqueue }) => {
          if (!inBackground) throw endsWithItsProcess();
          const state = row.state === "cancelling" ? row.state : "running";
          await update(statements, id, { state, attempts: 0 });
          await enqueue(statements, row);
        },
      ),
    cancel: (caller, id) =>
      change(
        caller,
        { id, action: "run.cancel", already: cancelled },
        async (statements, row, { cancellable, cancel }) => {
          if (!cancellable) throw notCancellable();
          await cancel(statements, row);
        },
      ),
  };
}

/** Unfinished, or ended within seven days. */
const isRecent = or(isNull(runs.finishedAt), gt(runs.finishedAt, sql`now() - interval '7 days'`));

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
