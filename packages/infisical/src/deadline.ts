import { InfisicalError } from "./errors.ts";

/** The end of one call of ours, shared by everything that is done for it. */
export interface Deadline {
  readonly durationMs: number;
  readonly signal: AbortSignal;
  remainingMs(): number;
  /** Settles as `work` does, or rejects with `TIMEOUT` when the deadline passes first. */
  race<T>(work: Promise<T>): Promise<T>;
}

export function startDeadline(durationMs: number): Deadline {
  const endAt = performance.now() + durationMs;
  const signal = AbortSignal.timeout(durationMs);
  const { promise: passed, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(new InfisicalError("TIMEOUT")), { once: true });
  // Prevents an unhandled rejection when the deadline passes without a waiting caller.
  passed.catch(() => undefined);
  return {
    durationMs,
    signal,
    remainingMs: () => Math.max(0, endAt - performance.now()),
    race: (work) => Promise.race([work, passed]),
  };
}
