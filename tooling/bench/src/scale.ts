import { writeFileSync } from "node:fs";
import { startDeployment, type Place } from "./deployment.ts";
import { openBareSelect } from "./bare-select.ts";
import { interleaved, latencies, median, type Pair, ratioOf, short, timed } from "./measuring.ts";
import { drawLatency, type LatencyPoint } from "./plot.ts";
import { populate, type Population } from "./population.ts";
import { percentile, row, type Row } from "./row.ts";
import { readSpot, selectSpot, type Spot, spotOf } from "./scatter.ts";
import { meet, serve, type Serving } from "./serving.ts";

const secretsOfEach = 100;
const sizes = [10_000, 30_000, 100_000, 300_000, 1_000_000];
const reads = 600;
const hot = 1000;

/**
 * Cold reads of a growing database, each size against one that stays small, on the same server and in the same minute. Warm
 * reads of 1,000 of its secrets beside that.
 *
 * @param plot where to write a picture of it
 */
export async function benchScale(plot?: string): Promise<Row[]> {
  const deployment = await startDeployment();
  try {
    const small = { companies: populationOf(sizes[0] ?? 0).companies, secretsOfEach };
    const smallPlace = await deployment.addDatabase("bench_small");
    await populate(smallPlace, small);

    const points: LatencyPoint[] = [];
    let [existing, growth] = [0, Number.NaN];
    for (const secrets of sizes) {
      const large = populationOf(secrets);
      const fillMs = await timed(() => populate(deployment, { ...large, existing }));
      existing = large.companies;
      const { point, ours, bare } = await compare(
        { place: deployment, population: large },
        { place: smallPlace, population: small },
      );
      points.push(point);
      const of = `${secrets} secrets of ${large.companies} companies`;
      growth = ratioOf(`${of}, cold p50`, "ms", ours) / ratioOf(`${of}, a bare select's p50`, "ms", bare);
      console.log(
        `  cold p99 ${short(point.coldP99Ms)} ms, warm p50 ${short(1000 * point.warmP50Ms)} µs, ` +
          `warm p99 ${short(1000 * point.warmP99Ms)} µs; filled in ${(fillMs / 1000).toFixed(1)} s`,
      );
    }
    if (plot !== undefined) writeFileSync(plot, drawLatency(points));
    // The last one is the largest.
    const what = "cold get with 1,000,000 secrets of 10,000 companies over that with 10,000, p50";
    const against = "the same of a bare primary-key select";
    return [row({ name: "scale.cold", what, against, ratio: growth, target: 1.1 })];
  } finally {
    await deployment.stop();
  }
}

function populationOf(secrets: number): Population {
  return { companies: secrets / secretsOfEach, secretsOfEach };
}

interface Populated {
  readonly place: Place;
  readonly population: Population;
}

async function compare(
  { place: largePlace, population: large }: Populated,
  { place: smallPlace, population: small }: Populated,
) {
  const [one, other] = [await serve(smallPlace), await serve(largePlace)];
  const [bareOne, bareOther] = [await openBareSelect(smallPlace), await openBareSelect(largePlace)];
  try {
    const bare = await interleaved(
      eachNew(small, (spot) => selectSpot(bareOne, spot)),
      eachNew(large, (spot) => selectSpot(bareOther, spot)),
    );
    await meet(one, small.companies);
    await meet(other, large.companies);
    const results = await interleaved(
      eachNew(small, (spot) => readSpot(one, spot)),
      eachNew(large, (spot) => readSpot(other, spot)),
    );
    const cold = results.flatMap(([, measured]) => measured);
    const warm = await readHot(other, large);
    const point: LatencyPoint = {
      secrets: large.companies * large.secretsOfEach,
      coldP50Ms: median(cold),
      coldP99Ms: percentile(cold, 0.99),
      warmP50Ms: median(warm),
      warmP99Ms: percentile(warm, 0.99),
    };
    return { point, ours: mediansOf(results), bare: mediansOf(bare) };
  } finally {
    await Promise.all([one, other, bareOne, bareOther].map((each) => each.stop()));
  }
}

/** Asks for secrets that were not asked for before, so many at each call. */
function eachNew(population: Population, ask: (spot: Spot) => Promise<void>): () => Promise<number[]> {
  let next = 0;
  return () => {
    const start = next;
    next += reads;
    return latencies(reads, (i) => ask(spotOf(start + i, population)));
  };
}

function mediansOf(results: readonly Pair<readonly number[]>[]): readonly Pair<number>[] {
  return results.map(([plain, measured]) => [median(plain), median(measured)] as const);
}

/** Reads a thousand secrets again and again, once they have been read. */
async function readHot(serving: Serving, population: Population): Promise<number[]> {
  const read = (i: number) => readSpot(serving, spotOf(i % hot, population));
  await latencies(hot, read);
  return latencies(5 * hot, read);
}
