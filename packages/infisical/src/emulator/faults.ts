import { setTimeout as pause } from "node:timers/promises";
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
  | { readonly kind: "stalled-headers" | "stalled-body" | "reset" | "truncated-body" }
  /** The values of these names, or of all, are masked. */
  | { readonly kind: "hidden-values"; readonly names?: readonly string[] }
  /** Answered from what there was when the fault was added, as by a replica that lags behind. For reads. */
  | { readonly kind: "replica-lag" }
  /** All that meet it look whether they may write before any of them does. */
  | { readonly kind: "race" }
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
  /** Expires every token issued until now. */
  expireTokens(): void;
}

export interface FaultQueue {
  readonly faults: InfisicalFaults;
  /** The fault that this request meets, and the state that it is answered from where that is not the current one. */
  take(
    method: string,
    path: string,
  ): {
    readonly fault?: Fault;
    readonly state?: State;
    readonly pauseBeforeWrite?: () => Promise<void>;
  };
}

export function createFaultQueue(current: State, expireTokens: () => void): FaultQueue {
  const planned: (ReturnType<FaultQueue["take"]> & { fault: Fault; target: FaultTarget; left: number })[] =
    [];
  return {
    faults: {
      add(fault, target = {}) {
        const lagging = fault.kind === "replica-lag" ? { state: structuredClone(current) } : {};
        const racing = fault.kind === "race" ? { pauseBeforeWrite: createMeeting(target.times ?? 1) } : {};
        planned.push({ fault, target, left: target.times ?? 1, ...lagging, ...racing });
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

// For those that wait for one that was refused on the way.
const longestMeetingMs = 2_000;

/** Resolves for all when as many have called it as are to meet. */
function createMeeting(size: number): () => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let missing = size;
  return async () => {
    missing -= 1;
    if (missing === 0) resolve();
    await Promise.race([promise, pause(longestMeetingMs, undefined, { ref: false })]);
  };
}
