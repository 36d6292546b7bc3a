import { sql } from "drizzle-orm";
import { tables } from "@repo/db";
import type { RotationRunState, SecretDescription } from "@repo/catalog";

const { rotationPolicies, runs } = tables;

/** How the secrets of the transaction's company are rotated: see rotations.sql. */
export const rotations = sql`rotations_of_company() as rotation`;

/** Null of a secret that has no policy, and of a policy of which no run is unfinished. */
export const rotationColumns = {
  rotationOf: sql<string | null>`rotation.secret_key`,
  rotationDriver: sql<string | null>`rotation.driver`,
  policyState: sql<(typeof rotationPolicies.$inferSelect)["state"] | null>`rotation.state`,
  nextDueAt: sql<Date | null>`rotation.next_due_at`.mapWith(rotationPolicies.nextDueAt),
  rotationRun: sql<string | null>`rotation.run`,
  runState: sql<(typeof runs.$inferSelect)["state"] | null>`rotation.run_state`,
  runPhase: sql<string | null>`rotation.run_phase`,
  runNotBefore: sql<Date | null>`rotation.run_not_before`.mapWith(runs.notBefore),
};

type Row = {
  readonly [Name in keyof typeof rotationColumns]: (typeof rotationColumns)[Name]["_"]["type"];
};

/** What a rotation that is driven by a run is doing, in a word for people. */
export function rotationStateOf({
  state,
  phase,
  notBefore,
}: Pick<typeof runs.$inferSelect, "state" | "phase" | "notBefore">): RotationRunState {
  if (state === "failed") return "stopped";
  if (state === "cancelling") return "running";
  if (state !== "running") return state;
  if (phase === "ask" || phase === "ask-retire") return "person";
  return notBefore === null ? "running" : "waiting";
}

export function rotationOf(row: Row): SecretDescription["rotation"] {
  const { rotationDriver: driver, policyState, nextDueAt, rotationRun: id, runState, runPhase } = row;
  if (driver === null || policyState === null) return undefined;
  return {
    driver,
    state: policyState,
    ...(nextDueAt !== null && policyState === "active" && { nextDueAt }),
    ...(id !== null &&
      runState !== null && {
        run: {
          id,
          state: rotationStateOf({ state: runState, phase: runPhase ?? "", notBefore: row.runNotBefore }),
        },
      }),
  };
}
