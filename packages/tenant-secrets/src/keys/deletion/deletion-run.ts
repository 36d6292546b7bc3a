import { eq } from "drizzle-orm";
import { z } from "zod";
import type { AuditLog, SigningKey } from "@repo/audit-log";
import { tables, type Database, type Statements } from "@repo/db";
import { systemCaller } from "@repo/catalog";
import { clockMs } from "../../access/clock.ts";
import { audited, type Operations } from "../../access/operation.ts";
import type { ApprovalGate } from "../../companies/approval-gate.ts";
import type { Mailing } from "../../companies/mailing.ts";
import type { Entered, RunStep } from "../../runs/definition.ts";
import { defineRun, type Run } from "../../runs/run.ts";
import { readReceipt } from "../../runs/signed-receipt.ts";
import { ShreddingReceipt } from "../shredding/receipt.ts";
import { shredParameters, type Shredding } from "../shredding/shredding.ts";
import { readyToTell } from "./deletion-mails.ts";
import { signDeletion } from "./deletion-receipt.ts";
import { removeCompany } from "./remove-company.ts";

const { companies, runs } = tables;

export const DeletionInput = z.strictObject({
  subdomain: z.string(),
  afterDays: z.int(),
  backupsKeptDays: z.int(),
  withInfisicalFolder: z.boolean(),
  /** In milliseconds of Unix time, by the database's clock. */
  deleteAtMs: z.number(),
  /** Whether the company was open when its deletion was asked for. */
  wasActive: z.boolean(),
});
export type DeletionInput = z.infer<typeof DeletionInput>;

const Facts = z.strictObject({
  /** The reminders that were given, in days before the date. */
  reminded: z.array(z.int()),
  /** Null before the keys are destroyed. */
  shredding: z.strictObject({ receipt: z.string(), signature: z.string() }).nullable(),
});
type DeletionFacts = z.infer<typeof Facts>;

export type DeletionRun = Run<DeletionInput, DeletionFacts, object>;
type Step = RunStep<DeletionInput, DeletionFacts, "wait" | "destroy" | "remove">;

interface Dependencies {
  readonly database: Database;
  readonly operations: Pick<Operations, "steps">;
  readonly audit: AuditLog;
  readonly gate: ApprovalGate;
  readonly shredding: Pick<Shredding, "shredApproved">;
  readonly loadSigningKey: () => Promise<SigningKey>;
  readonly forget: (companyId: string) => void;
  readonly mailing: Pick<Mailing, "ready"> | undefined;
}

const deleter = systemCaller("delete-company", { verbs: [], secretKeys: [] });

const dayMs = 86_400_000;
/** Days before the date. */
const reminders = [7, 1];

/** The facts of a new run. A reminder that would come with the schedule, or before it, is not given. */
export function newDeletion(afterDays: number): DeletionFacts {
  return { reminded: reminders.filter((days) => days >= afterDays), shredding: null };
}

/**
 * The deletion of a company: waits for its date, which `keep` may come before; destroys the keys; removes the rest. Nothing is
 * destroyed unless the operators who asked and approved are still operators.
 */
export function defineDeletion(parts: Dependencies): DeletionRun {
  const { database, operations, audit, gate, shredding, loadSigningKey, forget, mailing } = parts;

  const wait = async (step: Step): Promise<Entered> => {
    await audit.ready();
    const tellOwners = await readyToTell(mailing);
    return step.enter(async (statements) => {
      const { deleteAtMs } = step.input;
      const now = await clockMs(statements);
      if (now >= deleteAtMs) return { phase: "destroy" };
      // A reminder whose time has passed is not given beside a later one.
      const due = reminders.filter((days) => now >= deleteAtMs - days * dayMs);
      const { reminded } = step.facts;
      if (due.some((days) => !reminded.includes(days))) {
        await audit.recordInTransaction(statements, step.caller, {
          action: "company.deletion-due",
          outcome: "success",
          companyId: step.run.subject,
          subject: step.run.id,
        });
        const subdomain = await subdomainOf(statements, step.run.subject);
        await tellOwners(statements, step.run.subject, { subdomain, news: "due", at: new Date(deleteAtMs) });
      }
      const next = reminders.map((days) => deleteAtMs - days * dayMs).filter((at) => at > now);
      return {
        phase: "wait",
        notBefore: new Date(Math.min(deleteAtMs, ...next)),
        facts: { reminded: [...new Set([...reminded, ...due])] },
      };
    });
  };

  const destroy = async (step: Step): Promise<Entered> => {
    const companyId = step.run.subject;
    const { backupsKeptDays, withInfisicalFolder } = step.input;
    const requester = { kind: step.run.requestedByKind, id: step.run.requestedById };
    const steps = operations.steps({ caller: step.caller, action: "key.shred" });
    const signed = await shredding.shredApproved(steps, companyId, {
      backupsKeptDays,
      withInfisicalFolder,
      shreddedBy: `${requester.kind} ${requester.id}`,
      hold: ({ statements }) => step.hold(statements),
      confirm: (transaction) =>
        gate.confirm(transaction, {
          requester: requester.id,
          action: "key.shred",
          parameters: shredParameters(companyId, step.input),
        }),
    });
    return step.enter({ phase: "remove", facts: { shredding: signed } });
  };

  const remove = async (step: Step): Promise<Entered> => {
    const { shredding: signed } = step.facts;
    if (signed === null) throw new Error("the keys are destroyed before the rest is removed");
    const companyId = step.run.subject;
    const done = await step.commit((statements) => findReceipt(statements, step.run.id));
    if (done !== undefined) return step.enter({ phase: "done" });
    const key = await loadSigningKey();
    const tellOwners = await readyToTell(mailing);
    const { commit } = operations.steps({ caller: step.caller, action: "company.delete" });
    await commit(async (transaction) => {
      const { statements } = transaction;
      await step.hold(statements);
      const deletedAt = new Date(await clockMs(statements));
      // Before the people are removed.
      const subdomain = await subdomainOf(statements, companyId);
      await tellOwners(statements, companyId, { subdomain, news: "deleted", at: deletedAt });
      const { revision, events, ...removed } = await removeCompany(transaction, companyId, step.run.id);
      const receipt = signDeletion(
        {
          company: { id: companyId, subdomain },
          requestedBy: `${step.run.requestedByKind} ${step.run.requestedById}`,
          requestedAt: step.run.startedAt.toISOString(),
          approvedBy: readReceipt(ShreddingReceipt, signed.receipt).approvedBy,
          deletedAt: deletedAt.toISOString(),
          ...removed,
          shredding: signed,
        },
        key,
      );
      // In the same transaction: a process that is killed after it finds the receipt in its place.
      await statements
        .update(runs)
        .set({ report: receipt.receipt, reportMac: receipt.signature })
        .where(eq(runs.id, step.run.id));
      return audited(undefined, [...events, { companyId, subject: step.run.id, version: revision }]);
    }).finally(() => forget(companyId));
    return step.enter({ phase: "done" });
  };

  return defineRun(database, {
    kind: "delete-company",
    title: ({ subdomain }) => `Deletion of ${subdomain}`,
    concerns: "company",
    isReceipt: true,
    verb: "companies",
    // "companies keep" ends it while nothing is destroyed yet.
    cancellable: false,
    // Another region has become its home. Thrown before anything is destroyed.
    fatal: new Set(["WRONG_REGION"]),
    first: "wait",
    input: DeletionInput,
    facts: Facts,
    phases: { wait, destroy, remove },
    background: { callerOf: () => deleter, tools: () => ({}) },
  });
}

/** By its present name: it may have been renamed since it was asked for. */
async function subdomainOf(statements: Statements, companyId: string): Promise<string> {
  const [row] = await statements
    .select({ subdomain: companies.subdomain })
    .from(companies)
    .where(eq(companies.id, companyId));
  if (row === undefined) throw new Error("rows of companies stay");
  return row.subdomain;
}

async function findReceipt(statements: Statements, run: string): Promise<string | undefined> {
  const [row] = await statements.select({ report: runs.report }).from(runs).where(eq(runs.id, run));
  return row?.report ?? undefined;
}
