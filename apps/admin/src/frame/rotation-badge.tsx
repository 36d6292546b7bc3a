import type { ReactNode } from "react";
import { Badge } from "../ui/badge.tsx";
import { policyStates, stateOfRun, type RotationPolicy, type RotationRun } from "./rotation-words.ts";

export function PolicyBadge({ state }: Pick<RotationPolicy, "state">): ReactNode {
  const [word, tone] = policyStates[state];
  return <Badge tone={tone}>{word}</Badge>;
}

export function RotationBadge({ run }: { readonly run: Pick<RotationRun, "state" | "outcome"> }): ReactNode {
  const [word, tone] = stateOfRun(run);
  return <Badge tone={tone}>{word}</Badge>;
}
