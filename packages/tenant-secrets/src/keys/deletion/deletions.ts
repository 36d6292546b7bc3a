import { and, desc, eq, isNull } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import {
  type Caller,
  type CompanyDeletion,
  type CompanyDescription,
  notFound,
  Subdomain,
  TenantSecretsError,
} from "@repo/catalog";
import { clockMs } from "../../access/clock.ts";
import { audited, type Operations, type Transaction } from "../../access/operation.ts";
import type { ApprovalGate } from "../../companies/approval-gate.ts";
import { changeCompany, describeCompany, requireHome } from "../../companies/change-company.ts";
import { lockCompany } from "../../companies/company-lock.ts";
import type { Mailing } from "../../companies/mailing.ts";
import type { RunRow } from "../../runs/lease.ts";
import { findCompany } from "../shredding/company-to-shred.ts";
import type { ShredOptions } from "../shredding/shred-company.ts";
import { shredParameters, type Shredding } from "../shredding/shredding.ts";
import { readyToTell } from "./deletion-mails.ts";
import { DeletionInput, type DeletionRun, newDeletion } from "./deletion-run.ts";
import { type DeletionMeasurements, measureDeletions } from "./measure.ts";

const { companies, runs, shreddings } = tables;

export interface DeletionOptions extends ShredOptions {
  readonly afterDays: number;
}

/** The end of a company: suspended at once, deleted at a date, and until then as if nothing had happened. */
export interface Deletions {
  /**
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND, INVALID_INPUT; APPROVAL_REQUIRED; CONFLICT if it is scheduled already;
   *   NOT_SUPPORTED and WRONG_REGION as `Shredding.shred`
   */
  schedule(caller: Caller, subdomain: string, options: DeletionOptions): Promise<CompanyDeletion>;
  /**
   * The company is again what it was: open, unless it was suspended before.
   *
   * @throws {TenantSecretsError} FORBIDDEN; NOT_FOUND where no deletion is scheduled; CONFLICT once it has begun
   */
  keep(caller: Caller, subdomain: string): Promise<CompanyDescription>;
  /** The last one of a company, also of one that is deleted. @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND */
  get(caller: Caller, subdomain: string): Promise<CompanyDeletion>;
  /** For metrics. */
  measure(): Promise<DeletionMeasurements>;
}

interface Dependencies {
  readonly database: Pick<Database, "acrossCompanies">;
  readonly operations: Operations;
  readonly gate: ApprovalGate;
  readonly shredding: Pick<Shredding, "lock">;
  readonly run: DeletionRun;
  readonly forget: (companyId: string) => void;
  readonly ownRegion: string;
  readonly mailing: Pick<Mailing, "ready"> | undefined;
}

const dayMs = 86_400_000;

export function createDeletions({
  database,
  operations,
  gate,
  shredding,
  run,
  forget,
  ownRegion,
  mailing,
}: Dependencies): Deletions {
  return {
    schedule: (caller, subdomain, options) => {
      const action = "company.schedule-deletion";
      return operations.inSteps({ caller, action, verb: "rotate", to: "delete companies" }, async (steps) => {
        const { afterDays, backupsKeptDays, withInfisicalFolder = false } = options;
        checkDays(afterDays);
        const asked = { subdomain, afterDays, backupsKeptDays, withInfisicalFolder };
        // The approval is of the company with this id, whichever has the name when it is given.
        const companyId = await steps.commit(async ({ statements }) =>
          audited((await findCompany(statements, subdomain))?.id, []),
        );
        if (companyId === undefined) throw notFound();
        const tellOwners = await readyToTell(mailing);
        const done = await gate.commit(steps, {
          caller,
          action: "key.shred",
          parameters: shredParameters(companyId, asked),
          companyId,
          mayFinish: false,
          check: async (transaction) => {
            const company = await shredding.lock(transaction, subdomain, options);
            if (company.id !== companyId) throw notFound();
            if ((await run.lookUpUnfinished(transaction.statements, companyId)) !== undefined)
              throw conflict(
                "The deletion of this company is scheduled already. Undo it first: companies keep.",
              );
            await requireNoMove(transaction.statements, companyId);
            return company;
          },
          act: async (transaction, company) => {
            const { statements } = transaction;
            const deleteAtMs = (await clockMs(statements)) + afterDays * dayMs;
            const wasActive = company.status === "active";
            const row = wasActive
              ? await changeCompany(transaction, company, { status: "suspended" })
              : company;
            const started = await run.start(statements, {
              subject: companyId,
              input: { ...asked, deleteAtMs, wasActive },
              facts: newDeletion(afterDays),
              caller,
            });
            if (started === undefined)
              throw conflict("The deletion of this company was scheduled meanwhile.");
            await run.enqueue(statements, started);
            const at = new Date(deleteAtMs);
            await tellOwners(statements, companyId, { subdomain, news: "scheduled", at });
            return audited(started, [{ companyId, subject: started.id, version: row.revision }]);
          },
        });
        forget(companyId);
        return describe(done, { deleteAtMs: inputOf(done).deleteAtMs, subdomain });
      });
    },

    keep: async (caller, subdomain) => {
      const operation = {
        caller,
        action: "company.keep",
        verb: "companies",
        to: "manage companies",
      } as const;
      // A company is kept also while the key of mails is out of reach: its webhooks tell of it.
      const tellOwners = await readyToTell(mailing).catch(() => undefined);
      return operations.change(operation, async (transaction) => {
        const { statements } = transaction;
        const found = await findCompany(statements, subdomain);
        if (found !== undefined) requireHome(found, ownRegion);
        // The run's row first, as its own steps do: each of them waits for this, or this waits for it.
        const deletion = found && (await lockUnfinished(statements, run.kind, found.id));
        if (found === undefined || deletion === undefined) throw notFound();
        if (await isShredded(statements, found.id))
          throw conflict("The keys of this company are destroyed already: nothing can be undone.");
        await lockCompany(statements, found.id);
        const company = await lockRow(transaction, found.id);
        await run.cancel(statements, deletion);
        const row =
          inputOf(deletion).wasActive && company.status === "suspended"
            ? await changeCompany(transaction, company, { status: "active" })
            : company;
        const at = new Date(inputOf(deletion).deleteAtMs);
        await tellOwners?.(statements, row.id, { subdomain: row.subdomain, news: "kept", at });
        forget(row.id);
        return audited(describeCompany(row), {
          companyId: row.id,
          subject: deletion.id,
          version: row.revision,
        });
      });
    },

    get: (caller, subdomain) => {
      const operation = {
        caller,
        action: "company.get-deletion",
        verb: "companies",
        to: "manage companies",
      } as const;
      return operations.read(operation, (across) =>
        across(async (statements) => {
          if (!Subdomain.safeParse(subdomain).success) throw notFound();
          const [found] = await statements
            .select({ run: runs, company: companies })
            .from(runs)
            .innerJoin(companies, eq(companies.id, runs.companyId))
            .where(and(eq(runs.kind, run.kind), eq(companies.subdomain, subdomain)))
            .orderBy(desc(runs.startedAt))
            .limit(1);
          if (found === undefined) throw notFound();
          const { deleteAtMs } = inputOf(found.run);
          return audited(describe(found.run, { deleteAtMs, subdomain }), { companyId: found.company.id });
        }),
      );
    },

    measure: () => measureDeletions(database),
  };
}

type CompanyRow = typeof companies.$inferSelect;

async function lockRow({ statements }: Transaction, id: string): Promise<CompanyRow> {
  const [row] = await statements.select().from(companies).where(eq(companies.id, id)).for("no key update");
  if (row === undefined) throw notFound();
  return row;
}

/** Each step that destroys holds the run's row first, so that this stays true until the caller's commit. */
async function isShredded(statements: Statements, companyId: string): Promise<boolean> {
  const rows = await statements
    .select({ companyId: shreddings.companyId })
    .from(shreddings)
    .where(eq(shreddings.companyId, companyId));
  return rows.length > 0;
}

/** A move that begins later finds the company suspended. */
async function requireNoMove(statements: Statements, companyId: string): Promise<void> {
  const [move] = await statements
    .select({ id: runs.id })
    .from(runs)
    .where(and(eq(runs.kind, "move-company"), eq(runs.subject, companyId), isNull(runs.finishedAt)));
  if (move !== undefined)
    throw conflict("This company is being moved to another region: wait for the end of that, and ask there.");
}

async function lockUnfinished(
  statements: Statements,
  kind: string,
  subject: string,
): Promise<RunRow | undefined> {
  const [row] = await statements
    .select()
    .from(runs)
    .where(and(eq(runs.kind, kind), eq(runs.subject, subject), isNull(runs.finishedAt)))
    .for("update");
  return row;
}

function inputOf({ input }: Pick<RunRow, "input">): DeletionInput {
  return DeletionInput.parse(input);
}

function describe(
  row: RunRow,
  { deleteAtMs, subdomain }: { readonly deleteAtMs: number; readonly subdomain: string },
): CompanyDeletion {
  const { id, startedAt, errorMessage, report, reportMac } = row;
  const isDeleted = row.state === "done";
  return {
    run: id,
    company: subdomain,
    state: isDeleted ? "deleted" : stateOf(row),
    deleteAt: new Date(deleteAtMs),
    requestedAt: startedAt,
    ...(errorMessage !== null && { error: errorMessage }),
    ...(isDeleted &&
      report !== null &&
      reportMac !== null && { receipt: { receipt: report, signature: reportMac } }),
  };
}

function stateOf({ state, phase, errorCode }: RunRow): CompanyDeletion["state"] {
  if (state === "cancelled") return errorCode === null ? "kept" : "ended";
  if (state === "failed") return "failed";
  return phase === "wait" ? "waiting" : "deleting";
}

function checkDays(days: number): void {
  if (Number.isInteger(days) && days >= 1 && days <= 365) return;
  throw new TenantSecretsError(
    "INVALID_INPUT",
    "A company is deleted after a whole number of days, 1 to 365.",
  );
}

function conflict(message: string): TenantSecretsError {
  return new TenantSecretsError("CONFLICT", message);
}
