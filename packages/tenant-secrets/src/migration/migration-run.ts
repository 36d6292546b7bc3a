import { and, asc, eq, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import { asTenantSecretsError, type AuditLog } from "@repo/audit-log";
import type { BulkClient, InfisicalClient } from "@repo/infisical";
import { z } from "zod";
import { CompanyMigrationResult, type ErrorCode } from "@repo/catalog";
import { createCounters } from "../access/counters.ts";
import type { CompanyRows } from "../companies/company-rows.ts";
import type { Entered, RunStep } from "../runs/definition.ts";
import { RunDriven, RunStopped } from "../runs/lease.ts";
import { defineRun, type Run } from "../runs/run.ts";
import { MigrationInput } from "./migration-input.ts";
import { type BulkFolders, createBulkFolders } from "./bulk-folders.ts";
import { cleanUpCompany } from "./cleanup.ts";
import { companyById } from "./company-by-id.ts";
import type { CompanyOutcome, CompanyWork, MigrationParts } from "./company-work.ts";
import { copyCompany } from "./copy.ts";
import { type FolderTree, readFolderTree } from "./folder-tree.ts";
import { planCompany } from "./plan.ts";
import { type FinishedCompany, signMigrationReport } from "./report.ts";
import { rollbackCompany } from "./rollback.ts";
import { pauseRun, recordEnd } from "./run-events.ts";
import { switchCompany } from "./switch.ts";
import { countAll, countFinished, type DueCompany, nextCompany, type NextCompany } from "./turns.ts";
import { verifyCompany } from "./verify.ts";

const { companies, migrationCompanies, runs } = tables;

const Facts = z.strictObject({
  /** Names of folders in /tenants that belong to no company: at most a hundred. */
  foldersWithoutCompany: z.array(z.string()),
  /** Companies in a row that failed or were blocked. */
  failuresInRow: z.int(),
});
export type MigrationFacts = z.infer<typeof Facts>;

/** How a process drives a migration: a job leaves it to the next one after some time, so that other jobs are done as well. */
export interface MigrationTools {
  readonly sliceMs: number;
  /** How long a difference, or a folder that was not empty before, is left alone before a second look. Default: some seconds */
  readonly againMs?: number;
}

export type MigrationRun = Run<MigrationInput, MigrationFacts, MigrationTools>;
type Step = RunStep<MigrationInput, MigrationFacts, "companies" | "report">;

export interface MigrationRunParts extends MigrationParts {
  readonly infisical: Pick<InfisicalClient, "bulk">;
  readonly rows: Pick<CompanyRows, "findById" | "ownRegion">;
}

const jobSliceMs = 20_000;
/** Over by every clock: the next driver may begin. */
const atOnce = new Date(0);
const maxAttempts = 5;
const maxStrayFolders = 100;
/** After so many companies in a row that could not be changed, a migration that changes stores is paused. */
const mostFailuresInRow = 3;

/** Errors that another attempt does not mend. */
const final: ReadonlySet<ErrorCode> = new Set([
  "COMPANY_SUSPENDED",
  "WRONG_REGION",
  "FORBIDDEN",
  "INTEGRITY_FAILURE",
  "INVALID_VALUE",
  "KEY_DESTROYED",
  "NOT_FOUND",
  "NOT_SUPPORTED",
]);

export function defineMigration(parts: MigrationRunParts): MigrationRun {
  const { database, infisical, rows, audit, loadSigningKey } = parts;
  const counters = createCounters(database);
  let client: BulkClient | undefined;

  /** One company's turn. @returns undefined if it is to be repeated later */
  const workOn = async (step: Step, id: string, shared: Shared): Promise<Turn> => {
    try {
      const company = await companyById(rows, id);
      const { takeNewest } = step.input;
      const work: CompanyWork = { parts, step, company, takeNewest, ...shared };
      const { state, result } = await perform(step.input, work);
      return { state, result };
    } catch (thrown) {
      if (thrown instanceof RunStopped || thrown instanceof RunDriven) throw thrown;
      const { code, message } = asTenantSecretsError(thrown);
      if (code === "DATABASE_UNAVAILABLE" || code === "AUDIT_UNAVAILABLE" || code === "INTERNAL")
        throw thrown;
      return { state: "failed", error: { code, message }, isFinal: final.has(code) };
    }
  };

  const companiesPhase = async (step: Step, { sliceMs, againMs }: MigrationTools): Promise<Entered> => {
    const startedAt = performance.now();
    client ??= infisical.bulk();
    await audit.ready();
    const whileWaiting = () => step.commit(() => Promise.resolve());
    const { ratePerMinute } = step.input;
    const folders = createBulkFolders({
      bulk: client,
      counters,
      ratePerMinute,
      whileWaiting,
      signal: step.signal,
    });
    const tree = await treeFor(step, folders);
    let { next, finished } = await step.commit(async (statements) => ({
      next: await nextCompany(statements, step.run.id),
      finished: await countFinished(statements, step.run.id),
    }));
    for (let worked = 0; ; worked += 1) {
      if (next.state === "none") return step.enter({ phase: "report" });
      // At least one company, so that a slow walk through the folders does not use up every slice.
      const isLate = worked > 0 && performance.now() - startedAt > sliceMs;
      if (next.state === "later" || isLate) {
        const notBefore = next.state === "later" ? next.at : atOnce;
        const total = await step.commit((statements) => countAll(statements, step.run.id));
        return step.enter({ phase: "companies", notBefore, total });
      }
      const turn = await workOn(step, next.id, { folders, tree, againMs });
      ({ next, finished } = await finish(step, next, { turn, finished, audit }));
    }
  };

  const treeFor = async (step: Step, folders: BulkFolders): Promise<FolderTree | undefined> => {
    if (step.input.verb !== "plan" && step.input.verb !== "switch") return undefined;
    const tree = await readFolderTree(folders);
    await step.commit(
      async (statements) => {
        await statements.select({ id: runs.id }).from(runs).where(eq(runs.id, step.run.id));
      },
      { facts: { foldersWithoutCompany: await strayFolders(step, tree) } },
    );
    return tree;
  };

  return defineRun(database, {
    kind: "migrate",
    title: (input) => `Migration: ${titleOf(input)}`,
    concerns: "platform",
    verb: "companies",
    cancellable: true,
    first: "companies",
    input: MigrationInput,
    facts: Facts,
    phases: {
      companies: companiesPhase,
      report: async (step) => {
        const finished = await step.commit((statements) => selectFinished(statements, step.run.id));
        const { id, startedAt, requestedByKind, requestedById } = step.run;
        const { cluster, now } = await step.commit(selectPlace);
        const { report, signature } = signMigrationReport(
          {
            run: id,
            verb: step.input.verb,
            deployment: cluster,
            startedBy: `${requestedByKind} ${requestedById}`,
            startedAt: startedAt.toISOString(),
            finishedAt: now.toISOString(),
          },
          finished,
          await loadSigningKey(),
        );
        const isDone = finished.every(({ state }) => state === "done");
        await audit.ready();
        return step.enter(async (statements) => {
          const reason = isDone ? undefined : "NOT_ALL_DONE";
          await recordEnd({ audit, statements }, step, { outcome: "success", reason });
          return { phase: "done", report: { report, mac: signature } };
        });
      },
    },
    whenFailed: {
      ready: () => audit.ready(),
      record: (statements, { error, ...own }) =>
        recordEnd({ audit, statements }, own, { outcome: "failed", reason: error.code }),
    },
    background: {
      callerOf: ({ requestedById }) => ({ actor: { kind: "operator", id: requestedById } }),
      tools: () => ({ sliceMs: jobSliceMs }),
    },
  });
}

type Shared = Pick<CompanyWork, "folders" | "tree" | "againMs">;

type Turn =
  | CompanyOutcome
  | {
      readonly state: "failed";
      readonly error: { readonly code: ErrorCode; readonly message: string };
      readonly isFinal: boolean;
    };

function perform(input: MigrationInput, work: CompanyWork): Promise<CompanyOutcome> {
  const { verb, before, to, leave, acceptLosses } = input;
  switch (verb) {
    case "plan":
      return planCompany(work, before);
    case "copy":
      return copyCompany(work);
    case "verify":
      return verifyCompany(work);
    case "switch":
      return switchCompany(work, { to: to === "database" ? "database" : "hybrid", leave });
    case "rollback":
      return rollbackCompany(work, { to: to === "hybrid" ? "hybrid" : "infisical", acceptLosses });
    case "cleanup":
      return cleanUpCompany(work);
  }
}

function titleOf({ verb, before, to }: MigrationInput): string {
  switch (verb) {
    case "plan":
      return `plan before ${verbTitles[before]}`;
    case "switch":
    case "rollback":
      return `${verbTitles[verb]} to ${to === "infisical" ? "Infisical" : `the ${to} store`}`;
    case "copy":
    case "verify":
    case "cleanup":
      return verbTitles[verb];
  }
}

const verbTitles = {
  copy: "copy",
  verify: "verify",
  switch: "switch",
  rollback: "roll back",
  cleanup: "clean up",
} as const;

interface Finished {
  readonly next: NextCompany;
  /** How many companies are finished. */
  readonly finished: number;
}

interface Turned {
  readonly turn: Turn;
  /** How many companies were finished before. */
  readonly finished: number;
  readonly audit: Pick<AuditLog, "recordInTransaction">;
}

/** Stores what became of a company, and finds the next one, in one transaction. */
async function finish(
  step: Step,
  { id, attempts: before }: DueCompany,
  { turn, finished: finishedBefore, audit }: Turned,
): Promise<Finished> {
  const { verb } = step.input;
  const ofCompany = and(eq(migrationCompanies.runId, step.run.id), eq(migrationCompanies.companyId, id));
  const attempts = before + (turn.state === "failed" ? 1 : 0);
  const isRepeated = turn.state === "failed" && !turn.isFinal && attempts < maxAttempts;
  const finished = finishedBefore + (isRepeated ? 0 : 1);
  const inRow = isRepeated
    ? step.facts.failuresInRow
    : turn.state === "done"
      ? 0
      : step.facts.failuresInRow + 1;
  const changesStores = verb === "switch" || verb === "rollback" || verb === "cleanup";
  const isPaused = changesStores && inRow >= mostFailuresInRow;
  const failuresInRow = isPaused ? 0 : inRow;
  const next = await step.commit(
    async (statements) => {
      await statements
        .update(migrationCompanies)
        .set({
          attempts,
          state: isRepeated ? "waiting" : turn.state,
          notBefore: isRepeated ? sql`now() + make_interval(secs => ${5 * 3 ** (attempts - 1)})` : null,
          errorCode: turn.state === "failed" ? turn.error.code : null,
          errorMessage: turn.state === "failed" ? turn.error.message : null,
          result: turn.state === "failed" ? null : CompanyMigrationResult.parse(turn.result),
          finishedAt: isRepeated ? null : sql`now()`,
        })
        .where(ofCompany);
      const found = await nextCompany(statements, step.run.id);
      if (isPaused) {
        await pauseRun(statements, step.run.id, mostFailuresInRow);
        await recordEnd({ audit, statements }, step, { outcome: "failed", reason: "CONFLICT" });
      }
      return found;
    },
    { done: finished, ...(failuresInRow !== step.facts.failuresInRow && { facts: { failuresInRow } }) },
  );
  await step.say(`${finished} companies`);
  // Refused.
  if (isPaused) await step.commit(() => Promise.resolve());
  return { next, finished };
}

async function strayFolders(step: Step, tree: FolderTree): Promise<string[]> {
  const known = await step.commit((statements) =>
    statements.select({ folder: companies.infisicalFolder }).from(companies),
  );
  return tree.without(new Set(known.map(({ folder }) => folder))).slice(0, maxStrayFolders);
}

const Stored = CompanyMigrationResult.nullable();

async function selectFinished(statements: Statements, runId: string): Promise<readonly FinishedCompany[]> {
  const found = await statements
    .select({ row: migrationCompanies, subdomain: companies.subdomain })
    .from(migrationCompanies)
    .innerJoin(companies, eq(companies.id, migrationCompanies.companyId))
    .where(eq(migrationCompanies.runId, runId))
    .orderBy(asc(migrationCompanies.companyId));
  return found.map(({ row, subdomain }) => ({
    id: row.companyId,
    subdomain,
    state: row.state,
    error: row.errorCode ?? undefined,
    result: Stored.parse(row.result) ?? undefined,
  }));
}

const Place = z.tuple([z.object({ cluster: z.string(), now: z.coerce.date() })]);

async function selectPlace(statements: Statements): Promise<z.infer<typeof Place>[0]> {
  const rows = await statements.execute(
    sql`select (select system_identifier::text from pg_control_system()) as cluster, now() as now`,
  );
  return Place.parse([...rows])[0];
}
