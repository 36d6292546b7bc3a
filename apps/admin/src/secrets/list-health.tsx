import { Check, Circle, CircleHelp, Minus, X, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { Badge, type Tone } from "../ui/badge.tsx";
import type { Health } from "./list-rows.ts";

const looks: Readonly<
  Record<Exclude<Health, "none">, readonly [tone: Tone, icon: LucideIcon, word: string]>
> = {
  accepted: ["ok", Check, "Works"],
  rejected: ["danger", X, "Rejected"],
  unknown: ["warn", CircleHelp, "Not known"],
  never: ["neutral", Circle, "Never checked"],
};

/** What a provider says of a credential. */
export function HealthBadge({ health }: { readonly health: Health }): ReactNode {
  if (health === "none") {
    return (
      <span className="inline-flex items-center gap-1 text-small whitespace-nowrap text-muted">
        <Minus size={12} aria-hidden />
        No check
      </span>
    );
  }
  const [tone, icon, word] = looks[health];
  return (
    <Badge tone={tone} icon={icon}>
      {word}
    </Badge>
  );
}
