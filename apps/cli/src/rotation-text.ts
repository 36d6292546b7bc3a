import type { RotationRunDescription } from "@repo/catalog";
import { minute } from "./output.ts";

/** How a run ended; of one that is not over, what it does or waits for. */
export function outcomeText({ state, phase, outcome, reason, notBefore }: RotationRunDescription): string {
  const because = reason === undefined ? "" : `: ${reason}`;
  switch (state) {
    case "done":
      return `${outcome ?? "done"}${because}`;
    case "waiting":
      return `${phase}, waiting${notBefore === undefined ? "" : ` until ${minute(notBefore)}`}${because}`;
    case "person":
      return `${phase}, waiting for a person`;
    case "running":
      return phase + because;
    case "paused":
    case "stopped":
    case "cancelled":
      return `${state} in ${phase}`;
  }
}

/** What a person does now, in order; empty where the run does not wait for one. */
export function stepsOf({ state, phase, guide }: RotationRunDescription): readonly string[] {
  if (state !== "person" || guide === undefined) return [];
  return phase === "ask" ? guide.create : guide.retire;
}

/** The command that goes on with a run which waits for a person. */
export function nextCommand({ id, allows }: RotationRunDescription, subdomain: string): string | undefined {
  const rest = `${id} --company ${subdomain}`;
  if (allows.includes("supply")) return `pnpm secrets rotation supply ${rest}`;
  return allows.includes("confirm") ? `pnpm secrets rotation confirm ${rest}` : undefined;
}
