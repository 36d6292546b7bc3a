import { sql } from "drizzle-orm";
import type { Database, Statements } from "@repo/db";
import { type RotationReason, TenantSecretsError } from "@repo/catalog";
import type { Entered } from "../runs/definition.ts";
import { DriverError, type DriverFailure } from "./drivers/driver-error.ts";
import { hourMs, minuteMs, type Phase, type RotationFacts, type RotationStep } from "./rotation-state.ts";

/** Facts as a phase begins with them. */
const fresh = { phaseSince: null, accepted: 0, rejected: 0, unanswered: 0 } as const;

/** Another phase, at once or no earlier than `notBefore`. */
export function enter(
  step: RotationStep,
  phase: Phase,
  { notBefore, ...facts }: Partial<RotationFacts> & { readonly notBefore?: Date | undefined } = {},
): Promise<Entered> {
  return step.enter({ phase, facts: { ...fresh, ...facts }, ...(notBefore && { notBefore }) });
}

/** The same phase again, after some time. */
export function again(
  step: RotationStep,
  afterMs: number,
  facts: Partial<RotationFacts> = {},
): Promise<Entered> {
  return step.enter(async (statements) => {
    const now = await nowIn(statements);
    const phaseSince = step.facts.phaseSince ?? now;
    return {
      phase: phaseOf(step),
      facts: { phaseSince, ...facts },
      notBefore: new Date(now + Math.max(0, afterMs)),
    };
  });
}

export function giveUp(step: RotationStep, reason: RotationReason): Promise<Entered> {
  return enter(step, "give-up", { reason, outcome: "failed" });
}

/** Another version is current or pending by now than the run expects, or the secret was removed. */
export function isOvertaken(error: unknown): boolean {
  return error instanceof TenantSecretsError && (error.code === "CONFLICT" || error.code === "NOT_FOUND");
}

/** Milliseconds since 1970 by the database's clock. */
export async function nowIn(statements: Statements): Promise<number> {
  const [row] = await statements.execute<{ now: number }>(
    sql`select (extract(epoch from clock_timestamp()) * 1000)::float8 as now`,
  );
  return row?.now ?? 0;
}

/** How long this phase has lasted, in milliseconds. */
export async function lasted({ acrossCompanies }: Database, { facts }: RotationStep): Promise<number> {
  const { phaseSince } = facts;
  return phaseSince === null ? 0 : (await acrossCompanies(nowIn)) - phaseSince;
}

/** After each answer that was no use, until it is given up. */
const backOffMs = [minuteMs, 5 * minuteMs, 30 * minuteMs, 2 * hourMs, 6 * hourMs] as const;
/** Runs that were stopped by the same outage do not come back together. */
const spread = 0.2;

/** @returns undefined where it is given up */
export function backOff(unanswered: number, retryAfterMs = 0): number | undefined {
  const base = backOffMs[unanswered];
  if (base === undefined) return undefined;
  return Math.max(base * (1 - spread + 2 * spread * Math.random()), Math.min(retryAfterMs, 24 * hourMs));
}

const reasons: Readonly<Record<Exclude<DriverFailure, "transient">, RotationReason>> = {
  "rejected-value": "REJECTED_VALUE",
  "not-allowed": "NOT_ALLOWED",
  limit: "LIMIT",
  misconfigured: "MISCONFIGURED",
  "reauth-required": "REAUTH_REQUIRED",
};

/** What a failed step of a driver means for the run. */
export type Failure =
  | { readonly kind: "again"; readonly afterMs: number }
  | { readonly kind: "final"; readonly reason: RotationReason };

/** @throws what is no error of a driver */
function failureOf(error: unknown, { facts }: RotationStep): Failure {
  if (!(error instanceof DriverError)) throw error;
  if (error.code !== "transient") return { kind: "final", reason: reasons[error.code] };
  const afterMs = backOff(facts.unanswered, error.retryAfterMs);
  return afterMs === undefined ? { kind: "final", reason: "UNAVAILABLE" } : { kind: "again", afterMs };
}

/**
 * Runs a phase; a failed step of a driver is repeated later, or ends the run.
 *
 * @param onFinal what a failure that no repetition mends leads to. Default: the run gives up
 */
export async function attempt(
  step: RotationStep,
  work: () => Promise<Entered>,
  onFinal: (reason: RotationReason) => Promise<Entered> = (reason) => giveUp(step, reason),
): Promise<Entered> {
  try {
    return await work();
  } catch (error) {
    const failure = failureOf(error, step);
    if (failure.kind === "final") return onFinal(failure.reason);
    return again(step, failure.afterMs, { unanswered: step.facts.unanswered + 1 });
  }
}

/** A run that is driven is in one of the phases of its kind. */
function phaseOf({ run }: RotationStep): Phase {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return run.phase as Phase;
}
