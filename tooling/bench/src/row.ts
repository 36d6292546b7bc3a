/** One comparison, both sides measured in one run on the same data. */
export interface Row {
  readonly name: string;
  readonly what: string;
  readonly against: string;
  readonly ratio: number;
  /** The largest ratio that is good enough; of throughput, the smallest; of a count, the only one. */
  readonly target: number;
  readonly holds: boolean;
  readonly unit: Unit;
}

type Unit = "time" | "throughput" | "count";

type Comparison = Pick<Row, "name" | "what" | "against" | "ratio" | "target">;

export function row(comparison: Comparison): Row {
  return { ...comparison, holds: comparison.ratio <= comparison.target, unit: "time" };
}

export function throughputRow(comparison: Comparison): Row {
  return { ...comparison, holds: comparison.ratio >= comparison.target, unit: "throughput" };
}

/** For a number that has to be exact. @param comparison with the count as `ratio` */
export function countRow(comparison: Comparison): Row {
  return { ...comparison, holds: comparison.ratio === comparison.target, unit: "count" };
}

const bounds: Readonly<Record<Unit, string>> = { time: "≤", throughput: "≥", count: "=" };

/** The rows as a table in Markdown, and how many of them miss their target. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(({ what, against, ratio, target, holds, unit }) => {
    const [measured, bound] =
      unit === "count" ? [`${ratio}`, `${target}`] : [`${digits(ratio)} ×`, `${target} ×`];
    return `| ${what} | ${against} | ${measured} | ${bounds[unit]} ${bound} | ${holds ? "yes" : "**no**"} |`;
  });
  const missed = rows.filter(({ holds }) => !holds).length;
  return [
    "| what | against | ratio | target | holds |",
    "|---|---|---|---|---|",
    ...lines,
    "",
    missed === 0 ? `All ${rows.length} rows hold.` : `${missed} of ${rows.length} rows miss their target.`,
  ].join("\n");
}

function digits(ratio: number): string {
  return ratio >= 100 ? ratio.toFixed(0) : ratio.toFixed(2);
}

/** @param share 0.99 for the 99th percentile */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
