import { sql } from "drizzle-orm";
import type { Database } from "@repo/db";
import type { AuditLog } from "@repo/audit-log";
import { type CompanyId, systemCaller, TenantSecretsError } from "@repo/catalog";
import { z } from "zod";
import { audited, type Operations } from "../../access/operation.ts";
import { companyIdOf } from "../../companies/company-id.ts";
import type { RegionKeys } from "../../keys/region-keys.ts";
import { pause } from "../../runs/pause.ts";
import type { Entered, RunStep } from "../../runs/definition.ts";
import { defineRun, type Run } from "../../runs/run.ts";
import type { RegionRegistry } from "../registry.ts";
import { findClaim, leaveHome } from "./leave.ts";
import { isNotTaken, offerCompany } from "./offer.ts";

export const MoveInput = z.strictObject({ to: z.string() });
export type MoveInput = z.infer<typeof MoveInput>;

const Facts = z.strictObject({
  /** Of the home that is left; null before the company was offered. */
  homeEpoch: z.int().nullable(),
  /** In milliseconds of Unix time, by the database's clock. */
  offeredAtMs: z.number().nullable(),
});
export type MoveFacts = z.infer<typeof Facts>;

export type MoveRun = Run<MoveInput, MoveFacts, object>;
type Step = RunStep<MoveInput, MoveFacts, "offer" | "wait" | "leave">;

export interface MoveParts {
  readonly database: Database;
  readonly operations: Pick<Operations, "steps">;
  readonly audit: AuditLog;
  readonly registry: RegionRegistry;
  readonly regionKeys: RegionKeys;
  readonly ownRegion: string;
  /** Drops what this process has cached of a company. */
  readonly forget: (companyId: string) => void;
}

/** The one in whose name a job goes on with a move. The events name the run. */
const mover = systemCaller("move-company", { verbs: [], secretKeys: [] });

const pollMs = 100;
/** How long one job waits, in milliseconds: others get their turn then. */
const sliceMs = 10_000;

/**
 * Moves a company to another region. Its writes are held while that region takes it over, and fail for some seconds at most. A region
 * that does not take it over in time changes nothing: the run ends as withdrawn, and this home goes on.
 */
export function defineMove(parts: MoveParts): MoveRun {
  const { database, operations, audit, registry, regionKeys, ownRegion, forget } = parts;

  const offer = async (step: Step): Promise<Entered> => {
    const signing = await regionKeys.signing();
    await audit.ready();
    return step.enter(async (statements) => {
      const companyId = companyOf(step);
      const { to } = step.input;
      const given = { companyId, from: ownRegion, to, run: step.run.id };
      const { homeEpoch, offeredAtMs } = await offerCompany(statements, given, signing);
      await audit.recordInTransaction(statements, step.caller, {
        ...operationOf(step),
        action: "company.offer",
        outcome: "success",
      });
      return { phase: "wait", facts: { homeEpoch, offeredAtMs } };
    });
  };

  const wait = async (step: Step): Promise<Entered> => {
    const { homeEpoch, offeredAtMs } = step.facts;
    if (homeEpoch === null || offeredAtMs === null) throw new Error("a move waits for what was offered");
    const of = { id: companyOf(step), homeEpoch };
    const endsAt = performance.now() + sliceMs;
    for (;;) {
      await registry.list();
      // In this order: what was taken over is here before the beat that would say that it was not.
      const { isOver, claim } = await step.commit(async (statements) => ({
        isOver: await isNotTaken(statements, { from: ownRegion, to: step.input.to, offeredAtMs }),
        claim: await findClaim(statements, { ownRegion, registry }, of),
      }));
      if (claim !== undefined) return step.enter({ phase: "leave" });
      if (isOver) return withdraw(step);
      if (performance.now() > endsAt) return step.enter({ phase: "wait", notBefore: new Date() });
      await step.say(`waiting for ${step.input.to} to take it over`);
      await pause(step, pollMs);
    }
  };

  const withdraw = async (step: Step): Promise<never> => {
    await audit.ready();
    await step.commit(async (statements) => {
      await statements.execute(sql`select withdraw_move(${companyOf(step)})`);
      await statements.execute(
        sql`delete from store_holds where company_id = ${companyOf(step)} and run = ${step.run.id}`,
      );
      await audit.recordInTransaction(statements, step.caller, {
        ...operationOf(step),
        action: "company.move",
        outcome: "failed",
        reason: "NOT_TAKEN",
      });
    });
    throw new TenantSecretsError(
      "CONFLICT",
      `${step.input.to} did not take the company over in time. Nothing was changed, and writes go on here: look at the log of that region, and move it again.`,
    );
  };

  const leave = async (step: Step): Promise<Entered> => {
    const companyId = companyOf(step);
    const { homeEpoch } = step.facts;
    if (homeEpoch === null) throw new Error("a company leaves after it was offered");
    await registry.list();
    const { commit } = operations.steps({ ...operationOf(step), action: "company.move" });
    await commit(async (transaction) => {
      await step.hold(transaction.statements);
      const of = { id: companyId, homeEpoch };
      const claim = await findClaim(transaction.statements, { ownRegion, registry }, of);
      if (claim === undefined) throw new Error("a claim stays until a later one comes");
      return audited(undefined, { version: await leaveHome(transaction, companyId, claim) });
    });
    forget(companyId);
    return step.enter({ phase: "done" });
  };

  return defineRun(database, {
    kind: "move-company",
    title: ({ to }) => `Move of a company to ${to}`,
    concerns: "company",
    verb: "companies",
    // Once it is offered, the other region may have taken it over.
    cancellable: false,
    fatal: new Set(["CONFLICT", "NOT_FOUND"]),
    first: "offer",
    input: MoveInput,
    facts: Facts,
    phases: { offer, wait, leave },
    background: { callerOf: () => mover, tools: () => ({}) },
  });
}

function operationOf(step: Step) {
  const companyId = companyOf(step);
  return { caller: step.caller, companyId, company: { id: companyId }, subject: step.input.to };
}

function companyOf({ run }: Step): CompanyId {
  return companyIdOf({ id: run.subject });
}
