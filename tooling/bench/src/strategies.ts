import { createInfisicalClient } from "@repo/infisical";
import postgres from "postgres";
import { startDeployment, type Deployment } from "./deployment.ts";
import { inLanes, latencies, median, short, timed } from "./measuring.ts";
import { populate, subdomainOf, valueOf } from "./population.ts";
import { throughputRow, type Row } from "./row.ts";
import { readSpot, spotOf, type Spot } from "./scatter.ts";
import { meet, serve } from "./serving.ts";
import { openSampleStore } from "./strategy-b-sample.ts";

const population = { companies: 100, secretsOfEach: 10 };
const secrets = population.companies * population.secretsOfEach;
const alone = 300;
const lanes = 10;
/** Of which the first is the warm-up. */
const rounds = 4;

type Strategy = keyof typeof names;
const names = {
  folders: "A: an Infisical folder for each company, one GET a read",
  sample: "B: the strategy's sample code, master key fetched at every call",
  sampleKept: "B: the sample code with the key kept and its statement prepared",
  cold: "ours, cold",
  warm: "ours, warm",
};

interface Measured {
  readonly p50Ms: number;
  readonly perSecond: number;
}

/** The same 1,000 secrets, read as the strategies of the document read them, as well as that can be done, and as we do. */
export async function benchStrategies(): Promise<Row[]> {
  const deployment = await startDeployment();
  try {
    await populate(deployment, population);
    const strategies = await openStrategies(deployment);
    const measured = new Map<Strategy, Measured[]>();
    for (let round = 0; round < rounds; round++) {
      for (const [strategy, open] of turned(strategies.all, round)) {
        const opened = await open();
        const read = (i: number) => opened.read(spotOf(i, population));
        const p50Ms = median(await latencies(alone, read));
        // What was read alone is not read again, so that it is not cached where nothing was before.
        const others = secrets - alone;
        const ms = await timed(() => inLanes(lanes, others, (i) => read(alone + i)));
        await opened.stop();
        if (round > 0) {
          measured.set(strategy, [
            ...(measured.get(strategy) ?? []),
            { p50Ms, perSecond: (1000 * others) / ms },
          ]);
        }
      }
    }
    await strategies.stop();
    print(measured);
    return rowsOf(measured);
  } finally {
    await deployment.stop();
  }
}

interface Opened {
  read(spot: Spot): Promise<void>;
  stop(): Promise<void>;
}

async function openStrategies(deployment: Deployment) {
  const { client, infisical, superuserUrl } = deployment;
  const all = Array.from({ length: secrets }, (_, i) => spotOf(i, population));
  await inLanes(8, all.length, async (i) => {
    const { company, secretKey } = spotOf(i, population);
    await client.putSecret(
      `/tenants/${subdomainOf(company)}`,
      secretKey,
      valueOf(subdomainOf(company), secretKey),
    );
  });
  const sql = postgres(superuserUrl, { max: 1, onnotice: () => {} });
  const found = await sql<{ id: string; subdomain: string }[]>`select id, subdomain from companies`;
  await sql.end();
  const ids = new Map(found.map(({ id, subdomain }) => [subdomain, id]));
  const idOf = (company: number): string => ids.get(subdomainOf(company)) ?? "";
  const reader = createInfisicalClient({ ...infisical, environment: "dev", maxConcurrency: lanes });
  const sample = await openSampleStore(
    deployment,
    reader,
    all.map(({ company, secretKey }) => ({
      companyId: idOf(company),
      secretKey,
      value: valueOf(subdomainOf(company), secretKey),
    })),
  );

  const theirs = (find: (spot: Spot) => Promise<string | undefined>) => async (): Promise<Opened> => ({
    read: async (spot) => {
      const value = valueOf(subdomainOf(spot.company), spot.secretKey);
      if ((await find(spot)) !== value) throw new Error("A read answered with another value.");
    },
    stop: async () => {},
  });
  const ours = (isWarm: boolean) => async (): Promise<Opened> => {
    const serving = await serve(deployment);
    await meet(serving, population.companies);
    const read = (spot: Spot) => readSpot(serving, spot);
    if (isWarm) for (const spot of all) await read(spot);
    return { read, stop: () => serving.stop() };
  };
  const strategies: readonly (readonly [Strategy, () => Promise<Opened>])[] = [
    [
      "folders",
      theirs(async ({ company, secretKey }) => {
        const secret = await reader.findSecret(`/tenants/${subdomainOf(company)}`, secretKey);
        return secret?.value;
      }),
    ],
    ["sample", theirs(({ company, secretKey }) => sample.asWritten(idOf(company), secretKey))],
    ["sampleKept", theirs(({ company, secretKey }) => sample.asWellAsCanBe(idOf(company), secretKey))],
    ["cold", ours(false)],
    ["warm", ours(true)],
  ];
  return { all: strategies, stop: () => sample.stop() };
}

/** Each round begins with another one. */
function turned<T>(all: readonly T[], by: number): readonly T[] {
  return [...all.slice(by % all.length), ...all.slice(0, by % all.length)];
}

const middle = (all: readonly Measured[]): Measured => ({
  p50Ms: median(all.map(({ p50Ms }) => p50Ms)),
  perSecond: median(all.map(({ perSecond }) => perSecond)),
});

function print(measured: ReadonlyMap<Strategy, readonly Measured[]>): void {
  console.log(
    `| ${secrets} secrets of ${population.companies} companies | reads a second, ${lanes} at once | p50, one at a time |`,
  );
  console.log("|---|---|---|");
  for (const [strategy, all] of [...measured].toSorted(([a], [b]) => order(a) - order(b))) {
    const { p50Ms, perSecond } = middle(all);
    console.log(`| ${names[strategy]} | ${short(perSecond)} | ${short(p50Ms)} ms |`);
  }
  console.log(
    "Infisical is the local one here, a process beside; a real server takes 12 ms for a GET, and answers some 230 a second.",
  );
}

const order = (strategy: Strategy): number => Object.keys(names).indexOf(strategy);

function rowsOf(measured: ReadonlyMap<Strategy, readonly Measured[]>): Row[] {
  const compare = (name: string, ours: "cold" | "warm", theirs: Strategy, target: number): Row => {
    const rates = (strategy: Strategy) => (measured.get(strategy) ?? []).map(({ perSecond }) => perSecond);
    // Round by round, since what the machine does besides changes between them.
    const ratios = rates(ours).map((rate, i) => rate / (rates(theirs)[i] ?? Number.NaN));
    const what = `${names[ours]}, ${lanes} at once`;
    return throughputRow(name, what, names[theirs], median(ratios), target);
  };
  return [
    compare("strategies.cold-a", "cold", "folders", 1),
    compare("strategies.cold-b", "cold", "sample", 1),
    // It has neither row-level security nor a record, so that a little less is a good result.
    compare("strategies.cold-kept", "cold", "sampleKept", 0.8),
    compare("strategies.warm-a", "warm", "folders", 10),
    compare("strategies.warm-b", "warm", "sample", 10),
    compare("strategies.warm-kept", "warm", "sampleKept", 1),
  ];
}
