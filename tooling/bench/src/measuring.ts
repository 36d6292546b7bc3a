import { setImmediate as turn } from "node:timers/promises";
import { percentile } from "./row.ts";

/** What one side of a comparison measured, and the other. */
export type Pair<T> = readonly [plain: T, measured: T];

/** How many pairs a row is the median of. */
export const pairs = 7;

/**
 * Measures both in pairs, each time beginning with the other one, so that whatever changes on the machine meets both.
 *
 * @returns all pairs but the first one, which is the whole warm-up that either side gets
 */
export async function interleaved<T>(
  plain: () => Promise<T>,
  measured: () => Promise<T>,
  count = pairs,
): Promise<readonly Pair<T>[]> {
  const results: Pair<T>[] = [];
  for (let i = 0; i <= count; i++) {
    if (i % 2 === 0) results.push([await plain(), await measured()]);
    else {
      const result = await measured();
      results.push([await plain(), result]);
    }
  }
  return results.slice(1);
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Does something so many times, with so many at once. */
export async function inLanes(
  lanes: number,
  times: number,
  work: (i: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < times) await work(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** How many calls come between two turns of the event loop: a program that only ever reads does not exist. */
const burst = 100;

/**
 * Calls per second with `lanes` concurrent ones, while the process does its other work.
 *
 * @param work gets the number of the call
 */
export async function perSecond(
  { lanes, forMs }: { readonly lanes: number; readonly forMs: number },
  work: (i: number) => Promise<unknown>,
): Promise<number> {
  let calls = 0;
  const startedAt = performance.now();
  const end = startedAt + forMs;
  const lane = async (): Promise<void> => {
    while (performance.now() < end) {
      await work(calls++);
      if (calls % burst === 0) await turn();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return (1000 * calls) / (performance.now() - startedAt);
}

/** How many milliseconds each of these calls takes, one after the other. */
export async function latencies(times: number, work: (i: number) => Promise<unknown>): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < times; i++) {
    const startedAt = performance.now();
    await work(i);
    samples.push(performance.now() - startedAt);
    if (i % burst === 0) await turn();
  }
  return samples;
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}

/**
 * Prints both sides and how far the pairs lie apart.
 *
 * @returns the median of the ratios of the second to the first
 */
export function ratioOf(what: string, unit: string, results: readonly Pair<number>[]): number {
  const ratios = results.map(([plain, measured]) => measured / plain);
  const side = (at: 0 | 1): string => short(median(results.map((pair) => pair[at])));
  const scatter = ratios.map((ratio) => ratio.toFixed(2)).join(" ");
  console.log(`${what}: ${side(1)} ${unit} against ${side(0)}; ratios ${scatter}`);
  return median(ratios);
}

/** Three digits that count, as a person reads them. */
export function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
