import { sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import type { RotationReason } from "@repo/catalog";
import type { Entered } from "../runs/definition.ts";
import type { RunParts } from "./make-value.ts";
import { nowIn } from "./next.ts";
import { dueOf } from "./policy-due.ts";
import { ofPolicy } from "./policy-row.ts";
import { stuck } from "./sticking.ts";
import { hourMs, minuteMs, type RotationFacts, type RotationStep } from "./rotation-state.ts";

const { rotationPolicies } = tables;

/** After so many runs that failed in a row, a policy is stuck. */
const mostFailures = 5;
/** Reasons that no repetition mends: the second time in a row the policy is stuck. */
const lasting: ReadonlySet<RotationReason> = new Set(["LIMIT", "MISCONFIGURED", "NOT_ALLOWED"]);
/** Ends of runs that are no failure of the policy. */
const harmless: ReadonlySet<RotationReason> = new Set(["ABORTED", "OVERTAKEN"]);
/** When a policy whose run failed is due again, by its failures in a row. */
const retryMs = [5 * minuteMs, 30 * minuteMs, 2 * hourMs, 6 * hourMs, 24 * hourMs] as const;

/** From when on it is reminded of each day. */
const stuckNow = { updatedAt: sql`now()` };

/** The end of a run, with what it means for its policy. */
export async function finish({ audit, drivers }: RunParts, step: RotationStep): Promise<Entered> {
  const { outcome, reason } = step.facts;
  const left = suppliedInVain(drivers, step);
  await audit.ready();
  return step.enter(async (statements) => {
    const { companyId, secretKey } = step.input;
    const stuckAt = await settlePolicy(statements, step, { outcome, reason });
    const event = { companyId, secretKey, subject: step.run.id } as const;
    await audit.recordInTransaction(statements, step.caller, [
      {
        ...event,
        action: "rotation.run",
        outcome: outcome === "failed" ? "failed" : "success",
        reason: reason ?? undefined,
      },
      ...(left === undefined
        ? []
        : [{ ...event, action: "rotation.ask-retire", outcome: "success", version: left } as const]),
      ...(stuckAt === undefined ? [] : [stuck({ ...event, reason: stuckAt })]),
    ]);
    return { phase: "done" };
  });
}

/** The version that a person supplied for a run that did not rotate: its credential is theirs to end. */
function suppliedInVain(
  drivers: RunParts["drivers"],
  { input: { driver: name }, facts: { outcome, pendingVersion } }: RotationStep,
): number | undefined {
  const isSupplied = Object.hasOwn(drivers, name) && drivers[name]?.creates === "person";
  return isSupplied && outcome !== "rotated" ? (pendingVersion ?? undefined) : undefined;
}

/** @returns why the policy has become stuck; undefined where it has not */
async function settlePolicy(
  statements: Statements,
  { run, input: { companyId, secretKey } }: RotationStep,
  { outcome, reason }: Pick<RotationFacts, "outcome" | "reason">,
): Promise<RotationReason | undefined> {
  const which = ofPolicy({ companyId, secretKey });
  const [policy] = await statements.select().from(rotationPolicies).where(which).for("update");
  if (policy === undefined) return undefined;
  const due = await dueOf(statements, policy);
  const isFailure = outcome === "failed" && (reason === null || !harmless.has(reason));
  if (!isFailure) {
    const paused = outcome === "fell-back" ? ({ state: "paused", reason: "FELL_BACK" } as const) : undefined;
    // What it was stuck at is over.
    const isRotated = outcome === "rotated" && policy.state === "stuck";
    const state = isRotated ? "active" : policy.state;
    const isStuck = state === "active" && paused === undefined && "state" in due;
    await statements
      .update(rotationPolicies)
      .set({
        failures: 0,
        lastRunId: run.id,
        state,
        reason: state === "stuck" ? policy.reason : null,
        // One that is paused is counted again when it is resumed.
        ...(state !== "paused" && due),
        ...paused,
        ...(isStuck && stuckNow),
      })
      .where(which);
    return isStuck ? due.reason : undefined;
  }
  const failures = policy.failures + 1;
  const isLasting = reason !== null && lasting.has(reason) && policy.reason === reason;
  const isStuck = policy.state === "active" && (failures >= mostFailures || isLasting);
  const retryAt = new Date((await nowIn(statements)) + (retryMs[failures - 1] ?? 24 * hourMs));
  await statements
    .update(rotationPolicies)
    .set({
      ...due,
      // By its schedule it may be due later than the next try.
      ...(policy.schedule !== null && { nextDueAt: retryAt }),
      failures,
      reason,
      lastRunId: run.id,
      state: isStuck ? "stuck" : policy.state,
      ...(isStuck && stuckNow),
    })
    .where(which);
  return isStuck ? (reason ?? undefined) : undefined;
}
