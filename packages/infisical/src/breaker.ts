import {
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  DelegateBackoff,
  handleResultType,
} from "cockatiel";
import { InfisicalError } from "./errors.ts";
import type { InfisicalErrorCode } from "./errors.ts";

/**
 * `half-open`: one call probes whether the server is back, and all others are still rejected. The breaker stays `open` until
 * that call, even when the pause is over.
 */
export type BreakerState = "closed" | "open" | "half-open";

export interface Breaker {
  state(): BreakerState;
  /**
   * Runs `work`, or rejects it immediately while Infisical is down or its Retry-After has not passed. The first call after
   * that time is the probe, as `work` is told: its result closes the breaker or opens it again.
   *
   * @throws {InfisicalError} with `retryAfterMs`, where `work` was not run: `UNREACHABLE`, or `RATE_LIMITED`; else as `work`
   */
  run<T>(work: (isProbe: boolean) => Promise<T>): Promise<T>;
}

interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly maxFailures: number;
  /** How long it stays open before the next probe. */
  readonly coolDownMs: number;
}

// A server that asks for more is asked again after this all the same: the header may be a proxy's, or wrong.
const longestRateLimitMs = 60_000;
// What a refused caller is told while the probe is out, which has no end known in advance.
const probingMs = 1_000;

/** The server, or what stands in front of it, did not do its work. All else is an answer, and proves that it is there. */
const outages: ReadonlySet<InfisicalErrorCode> = new Set([
  "UNREACHABLE",
  "TIMEOUT",
  "SERVER_ERROR",
  "INVALID_RESPONSE",
  // A write without a final answer, and without one to the question what became of it.
  "AMBIGUOUS",
]);
const down =
  "Infisical failed several times in a row and is left alone for the moment; try again in a few seconds";

/** What `work` threw, as a result: to the breaker an error that is not a failure of the server is a success. */
class Failed {
  readonly error: unknown;
  constructor(error: unknown) {
    this.error = error;
  }
}

export function createBreaker({ maxFailures, coolDownMs }: BreakerOptions): Breaker {
  const outage = createGuard({
    isFailure: ({ code }) => outages.has(code),
    maxFailures,
    restMs: () => coolDownMs,
    refusal: (retryAfterMs) => new InfisicalError("UNREACHABLE", { sentence: down, retryAfterMs }),
  });
  const rateLimit = createGuard({
    isFailure: ({ code, isOwnLimit }) => code === "RATE_LIMITED" && isOwnLimit !== true,
    maxFailures: 1,
    restMs: ({ retryAfterMs = coolDownMs }) => Math.min(retryAfterMs, longestRateLimitMs),
    refusal: (retryAfterMs) => new InfisicalError("RATE_LIMITED", { retryAfterMs }),
  });
  const guards = [outage, rateLimit];
  const isProbing = () => guards.some(({ policy }) => policy.state === CircuitState.HalfOpen);
  return {
    state() {
      if (isProbing()) return "half-open";
      return guards.some(({ policy }) => policy.state === CircuitState.Open) ? "open" : "closed";
    },
    async run(work) {
      for (const guard of guards) guard.admit();
      const settled = await rateLimit.policy.execute(() =>
        outage.policy.execute(() =>
          work(isProbing()).then(
            (value) => ({ value }),
            (error: unknown) => new Failed(error),
          ),
        ),
      );
      if (settled instanceof Failed) throw settled.error;
      return settled.value;
    },
  };
}

function createGuard(options: {
  readonly isFailure: (error: InfisicalError) => boolean;
  readonly maxFailures: number;
  readonly restMs: (error: InfisicalError) => number;
  readonly refusal: (retryAfterMs: number) => InfisicalError;
}) {
  let restMs = 0;
  let openUntil = 0;
  const policy = circuitBreaker(
    handleResultType(Failed, ({ error }) => error instanceof InfisicalError && options.isFailure(error)),
    {
      breaker: new ConsecutiveBreaker(options.maxFailures),
      halfOpenAfter: new DelegateBackoff(({ result }) => {
        const failed = "value" in result && result.value instanceof Failed ? result.value.error : undefined;
        restMs = failed instanceof InfisicalError ? options.restMs(failed) : 0;
        return restMs;
      }),
    },
  );
  // After the library has read the clock, so that it agrees that the time is over when we think so.
  policy.onBreak(() => (openUntil = Date.now() + restMs));
  return {
    policy,
    /** Throws while calls are refused. The library alone would let them wait for the end of the probe. */
    admit() {
      if (policy.state === CircuitState.HalfOpen) throw options.refusal(probingMs);
      const leftMs = openUntil - Date.now();
      if (policy.state === CircuitState.Open && leftMs > 0) throw options.refusal(leftMs);
    },
  };
}
