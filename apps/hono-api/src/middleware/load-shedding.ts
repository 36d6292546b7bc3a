import type { MiddlewareHandler } from "hono";
import type { ApiEnv } from "../context.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { isProbe } from "./probes.ts";
import { HttpError } from "../http-error.ts";

/** The mean: each response gets 0.5 to 1.5 times this, so that shed clients do not return together. */
const retryAfterMs = 1000;

/**
 * Serves at most `max` requests at once and sheds the rest with 503 before any work: a process that accepts them all
 * answers none in time. Probes are exempt.
 */
export function shedLoad(
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
      throw new HttpError({
        status: 503,
        reason: "OVERLOADED",
        message: "Too much is being asked for at once. Try again in a moment.",
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
