import type { RunProgress } from "./definition.ts";
import type { RunRow } from "./lease.ts";

export function progressOf({ done, total, rate }: Pick<RunRow, "done" | "total" | "rate">): RunProgress {
  const perSecond = rate === null || rate <= 0 ? undefined : rate;
  return {
    done,
    total: total ?? undefined,
    perSecond,
    secondsLeft:
      total === null || perSecond === undefined
        ? undefined
        : Math.ceil(Math.max(0, total - done) / perSecond),
  };
}

/** Measures the rate in items per second from now on, by the monotonic clock. */
export function createRate(doneBefore: number): (done: number) => number | undefined {
  const startedAt = performance.now();
  return (done) => {
    const seconds = (performance.now() - startedAt) / 1000;
    return seconds > 0 && done > doneBefore ? (done - doneBefore) / seconds : undefined;
  };
}
