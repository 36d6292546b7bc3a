/** One comparison, both sides measured in one run on the same data. */
export interface Row {
  readonly name: string;
  readonly what: string;
  readonly against: string;
  readonly ratio: number;
  /** The largest ratio that is good enough; of throughput, the smallest. */
  readonly target: number;
  readonly holds: boolean;
  readonly unit: "time" | "throughput";
}

export function row(name: string, what: string, against: string, ratio: number, target: number): Row {
  return { name, what, against, ratio, target, holds: ratio <= target, unit: "time" };
}

export function throughputRow(
  name: string,
  what: string,
  against: string,
  ratio: number,
  target: number,
): Row {
  return { name, what, against, ratio, target, holds: ratio >= target, unit: "throughput" };
}

/** @param share 0.99 for the 99th percentile */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
