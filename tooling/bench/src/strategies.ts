import { contestants, openContestants, type Contest, type Contestant } from "./contestants.ts";
import { startDeployment } from "./deployment.ts";
import { inLanes, latencies, median, perSecond, short, timed } from "./measuring.ts";
import { populate } from "./population.ts";
import { throughputRow, type Row } from "./row.ts";
import { spotOf } from "./scatter.ts";

const population = { companies: 100, secretsOfEach: 10 };
const secrets = population.companies * population.secretsOfEach;
const alone = 300;
const lanes = 10;
/** Milliseconds of repeated cached reads. The audit log is flushed several times meanwhile. */
const cachedMs = 1000;
const all = ["folders", "sample", "sampleKept", "cold", "warm"] as const;
/** Of which the first is the warm-up. */
const rounds = 6;

interface Measured {
  readonly p50Ms: number;
  readonly perSecond: number;
}
type Results = Readonly<Record<Contestant, Measured[]>>;

/** The same 1,000 secrets, read as the strategies have it, as well as that can be done, and as we do. */
export async function benchStrategies(): Promise<Row[]> {
  const deployment = await startDeployment();
  try {
    await populate(deployment, population);
    const { open, stop } = await openContestants(deployment, population, lanes);
    const results: Results = { folders: [], sample: [], sampleKept: [], cold: [], warm: [] };
    for (let round = 0; round < rounds; round++) {
      // Each round begins with another one.
      for (const contestant of [...all.slice(round % all.length), ...all.slice(0, round % all.length)]) {
        const contest = await open[contestant]();
        const measured = await measure(contest);
        await contest.stop();
        if (round > 0) results[contestant].push(measured);
      }
    }
    await stop();
    print(results);
    return rowsOf(results);
  } finally {
    await deployment.stop();
  }
}

async function measure(contest: Contest): Promise<Measured> {
  const read = (i: number) => contest.read(spotOf(i, population));
  const p50Ms = median(await latencies(alone, read));
  await contest.record();
  return { p50Ms, perSecond: await rateOf(contest, read) };
}

async function rateOf(contest: Contest, read: (i: number) => Promise<void>): Promise<number> {
  if (contest.isCached) return perSecond({ lanes, forMs: cachedMs }, read);
  // Skips the secrets that were read one by one, because those are cached now.
  const others = secrets - alone;
  const ms = await timed(async () => {
    await inLanes(lanes, others, (i) => read(alone + i));
    await contest.record();
  });
  return (1000 * others) / ms;
}

function print(results: Results): void {
  console.log(
    `| ${secrets} secrets of ${population.companies} companies | reads a second, ${lanes} at once | p50, one at a time |`,
  );
  console.log("|---|---|---|");
  for (const contestant of all) {
    const measured = results[contestant];
    const rate = short(median(measured.map((each) => each.perSecond)));
    const p50 = short(1000 * median(measured.map((each) => each.p50Ms)));
    console.log(`| ${contestants[contestant]} | ${rate} | ${p50} µs |`);
  }
  console.log(
    "Infisical is the local one here, a process beside; a real server takes 12 ms for a GET, and answers some 230 a second.",
  );
}

function rowsOf(results: Results): Row[] {
  const compare = (
    name: string,
    [ours, theirs]: readonly ["cold" | "warm", Contestant],
    target: number,
  ): Row => {
    // Round by round, since what the machine does besides changes between them.
    const ratios = results[ours].map(
      (each, i) => each.perSecond / (results[theirs][i]?.perSecond ?? Number.NaN),
    );
    console.log(`${name}: ratios ${ratios.map(short).join(" ")}`);
    const what = `${contestants[ours]}, ${lanes} at once`;
    return throughputRow({ name, what, against: contestants[theirs], ratio: median(ratios), target });
  };
  return [
    compare("strategies.cold-a", ["cold", "folders"], 1),
    compare("strategies.cold-b", ["cold", "sample"], 1),
    compare("strategies.cold-kept", ["cold", "sampleKept"], 1),
    compare("strategies.warm-a", ["warm", "folders"], 10),
    compare("strategies.warm-b", ["warm", "sample"], 10),
    compare("strategies.warm-kept", ["warm", "sampleKept"], 1),
  ];
}
