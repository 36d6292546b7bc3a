import type { MiddlewareHandler } from "hono";
import type { Metrics } from "./metrics.ts";
import { isProbe, type ApiEnv } from "./observe.ts";
import { Refusal } from "./refusal.ts";

const retryAfterMs = 1000;

/**
 * Takes so many requests at a time and refuses the rest before anything is done for them: a process that takes them all
 * answers none of them in time. Probes are always answered.
 */
export function limitInFlight(
  max: number,
  metrics: Pick<Metrics, "inFlight" | "shed">,
): MiddlewareHandler<ApiEnv> {
  let inFlight = 0;
  const count = (change: 1 | -1): void => {
    inFlight += change;
    metrics.inFlight(inFlight);
  };
  return async (c, next) => {
    if (isProbe(c)) return next();
    if (inFlight >= max) {
      metrics.shed();
      // Who was refused together does not come back together.
      throw new Refusal(503, "OVERLOADED", "Too much is being asked for at once. Try again in a moment.", {
        retryAfterMs: Math.round(retryAfterMs * (0.5 + Math.random())),
      });
    }
    count(1);
    try {
      await next();
    } finally {
      count(-1);
    }
  };
}
