import type { State } from "./state.ts";

export type Fault = {
  /** Whether the request is carried out first. Default false. */
  readonly afterApply?: boolean;
} & (
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly body?: unknown;
      readonly headers?: Record<string, string>;
    }
  | { readonly kind: "delay"; readonly durationMs: number }
  | { readonly kind: "stalled-headers" | "stalled-body" | "reset" | "truncated-body" | "hidden-values" }
  /** Answered from what there was when the fault was added, as by a replica that lags behind. For reads. */
  | { readonly kind: "replica-lag" }
);

/** Which requests a fault is for. */
export interface FaultTarget {
  readonly times?: number;
  readonly method?: string;
  readonly path?: RegExp;
}

export interface InfisicalFaults {
  /** The next `times` (default 1) requests that fit meet this fault. Earlier faults go first. */
  add(fault: Fault, target?: FaultTarget): void;
  clear(): void;
  /** Every token issued until now counts as expired. */
  expireTokens(): void;
}

export interface FaultQueue {
  readonly faults: InfisicalFaults;
  /** The fault that this request meets, and the state that it is answered from where that is not the current one. */
  take(method: string, path: string): { readonly fault?: Fault; readonly state?: State };
}

export function createFaultQueue(current: State, expireTokens: () => void): FaultQueue {
  const planned: { fault: Fault; target: FaultTarget; left: number; state?: State }[] = [];
  return {
    faults: {
      add(fault, target = {}) {
        const lagging = fault.kind === "replica-lag" ? { state: structuredClone(current) } : {};
        planned.push({ fault, target, left: target.times ?? 1, ...lagging });
      },
      clear: () => void planned.splice(0),
      expireTokens,
    },
    take(method, path) {
      const plan = planned.find(
        ({ left, target }) =>
          left > 0 &&
          (target.method ?? method) === method &&
          (target.path === undefined || target.path.test(path)),
      );
      if (plan === undefined) return {};
      plan.left -= 1;
      return plan;
    },
  };
}
