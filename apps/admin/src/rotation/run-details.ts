import type { ApiAnswers } from "@repo/tenant-secrets/client";

/** One run, with what a list of them leaves out. */
export type RunDetails = ApiAnswers["rotation"]["run"];
export type RunPhase = RunDetails["phase"];
export type RunCredential = RunDetails["credentials"][number];

/** A run that does not rotate: it ends what it made, or the value before is current again. */
export function isGivingUp({ phase, reason, promotedAt, finishedAt }: RunDetails): boolean {
  if (finishedAt !== undefined || reason === undefined) return false;
  return phase === "give-up" || promotedAt === undefined || reason === "FELL_BACK" || reason === "OVERTAKEN";
}
