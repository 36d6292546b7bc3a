/** What reads of a database of this size take. */
export interface LatencyPoint {
  readonly secrets: number;
  readonly coldP50Ms: number;
  readonly coldP99Ms: number;
  readonly warmP50Ms: number;
  readonly warmP99Ms: number;
}

interface Series {
  readonly label: string;
  readonly name: string;
  readonly ms: (point: LatencyPoint) => number;
}

const series: readonly Series[] = [
  { label: "cold, p99", name: "cold-p99", ms: (point) => point.coldP99Ms },
  { label: "cold, p50", name: "cold-p50", ms: (point) => point.coldP50Ms },
  { label: "warm, p99", name: "warm-p99", ms: (point) => point.warmP99Ms },
  { label: "warm, p50", name: "warm-p50", ms: (point) => point.warmP50Ms },
];

const [width, height] = [720, 400];
const frame = { left: 72, right: 610, top: 56, bottom: 344 };
const microsecond = 0.001;

/** A figure of latency against size, both logarithmic, as SVG that can be read on light and on dark. */
export function drawLatency(points: readonly LatencyPoint[]): string {
  const x = logarithmic(
    [points[0]?.secrets ?? 1, points.at(-1)?.secrets ?? 10],
    [frame.left + 16, frame.right - 16],
  );
  const decades = decadesOf(points.flatMap((point) => series.map(({ ms }) => ms(point))));
  const y = logarithmic([decades[0] ?? 1, decades.at(-1) ?? 10], [frame.bottom, frame.top]);

  const grid = decades.flatMap((ms) => [
    `<line class="grid" x1="${frame.left}" x2="${frame.right}" y1="${y(ms)}" y2="${y(ms)}"/>`,
    `<text class="tick" text-anchor="end" x="${frame.left - 10}" y="${y(ms) + 4}">${nameOf(ms)}</text>`,
  ]);
  const ticks = points.map(
    ({ secrets }) =>
      `<text class="tick" text-anchor="middle" x="${x(secrets)}" y="${frame.bottom + 22}">${sizeOf(secrets)}</text>`,
  );
  const labels = apart(points.length === 0 ? [] : series.map(({ ms }) => y(lastOf(points, ms))));
  const lines = series.flatMap(({ label, name, ms }, i) => {
    const at = points.map((point) => `${x(point.secrets)},${y(ms(point))}`);
    const dots = points.map(
      (point) =>
        `<circle class="dot ${name}" cx="${x(point.secrets)}" cy="${y(ms(point))}" r="3.5"><title>${label}, ${sizeOf(point.secrets)} secrets: ${nameOf(ms(point))}</title></circle>`,
    );
    return [
      `<polyline class="line ${name}" points="${at.join(" ")}"/>`,
      ...dots,
      `<text class="label" x="${frame.right + 8}" y="${(labels[i] ?? 0) + 4}">${label}</text>`,
    ];
  });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title">`,
    `<title id="title">Latency of reading one secret in process, against the number of secrets in the database</title>`,
    style,
    `<rect class="ground" width="${width}" height="${height}" rx="8"/>`,
    `<text class="head" x="${frame.left}" y="30">Reading one secret, in process, by the number of secrets in the database</text>`,
    ...grid,
    ...ticks,
    ...lines,
    `<text class="tick" text-anchor="middle" x="${(frame.left + frame.right) / 2}" y="${frame.bottom + 44}">secrets, 100 of each company</text>`,
    "</svg>",
  ].join("\n")}\n`;
}

const style = `<style>
  .ground { fill: #ffffff; } .head, .label { fill: #1f2328; } .head { font-weight: 600; } .tick { fill: #59636e; }
  .grid { stroke: #d1d9e0; } text { font: 13px system-ui, sans-serif; }
  .line { fill: none; stroke: currentColor; stroke-width: 2; } .dot { fill: currentColor; }
  .cold-p50, .cold-p99 { color: #0969da; } .warm-p50, .warm-p99 { color: #bc4c00; }
  .cold-p99, .warm-p99 { stroke-dasharray: 5 4; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; } .head, .label { fill: #f0f6fc; } .tick { fill: #9198a1; } .grid { stroke: #3d444d; }
    .cold-p50, .cold-p99 { color: #4493f8; } .warm-p50, .warm-p99 { color: #f0883e; }
  }
</style>`;

type Range = readonly [from: number, to: number];

function logarithmic([from, to]: Range, [start, end]: Range): (value: number) => number {
  const unit = (end - start) / Math.log(to / from);
  return (value) => Math.round(10 * (start + unit * Math.log(value / from))) / 10;
}

/** The powers of ten that have all the values between them. */
function decadesOf(values: readonly number[]): number[] {
  const first = Math.floor(Math.log10(Math.min(...values)));
  const last = Math.ceil(Math.log10(Math.max(...values)));
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
}

/** Where labels stand that belong at these heights: moved down where one would stand on another. */
function apart(heights: readonly number[]): readonly number[] {
  const placed = [...heights];
  let last = -Infinity;
  for (const [i, at] of [...heights.entries()].toSorted(([, a], [, b]) => a - b)) {
    last = Math.max(at, last + 16);
    placed[i] = last;
  }
  return placed;
}

function lastOf(points: readonly LatencyPoint[], ms: Series["ms"]): number {
  const last = points.at(-1);
  return last === undefined ? 1 : ms(last);
}

function sizeOf(secrets: number): string {
  return secrets >= 1_000_000 ? `${secrets / 1_000_000} M` : `${secrets / 1000} k`;
}

function nameOf(ms: number): string {
  const [value, unit] = ms < 1 ? [ms / microsecond, "µs"] : [ms, "ms"];
  return `${Number(value.toPrecision(3))} ${unit}`;
}
