import type { InfisicalClient } from "@repo/infisical";

/** Whether calls of Infisical are let through (`closed`), refused at once (`open`), or tried one at a time. */
export type BreakerState = "closed" | "open" | "half-open";

/** A client that may have a circuit breaker. */
export type GuardedInfisical = InfisicalClient & { readonly state?: () => BreakerState };

export function breakerOf(infisical: Pick<GuardedInfisical, "ping" | "state">): BreakerState {
  return infisical.state?.() ?? "closed";
}
