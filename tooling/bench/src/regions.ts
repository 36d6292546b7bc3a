import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { startDeployment, type Deployment } from "./deployment.ts";
import { inLanes, interleaved, latencies, median, ratioOf, short } from "./measuring.ts";
import { populate, primingKey, secretKeyOf, subdomainOf } from "./population.ts";
import { allowRegion, introduce, openReplication, region, type RunningReplication } from "./replication.ts";
import { percentile, row, type Row } from "./row.ts";
import { readSpot, type Spot } from "./scatter.ts";
import { meet, product, serve, type Serving } from "./serving.ts";

const population = { companies: 300, secretsOfEach: 40 };
/** The companies from here on are copied to another region. */
const copied = 100;
/** Those from here on are read and not written. */
const unwritten = 200;
const setsOfASide = 300;
const readsOfASide = 400;
const writesPerSecond = 200;
const writes = 3000;
const lanes = 8;
const longestLagMs = 50;

/** What copies for another region cost a write at home, how soon they are there, and what it takes to read one. */
export async function benchRegions(): Promise<Row[]> {
  const deployment = await startDeployment({ wal_level: "logical" });
  const target = await startDeployment({}, region);
  const superuser = postgres(deployment.superuserUrl, { max: 1, onnotice: () => {} });
  try {
    await populate(deployment, population);
    await introduce(deployment, target);
    await allowRegion(deployment, { from: copied, to: population.companies });
    const serving = await serve(deployment);
    await meet(serving, population.companies);
    // Without the servers behind them, which are other machines elsewhere.
    const rows = [await benchTriggers(serving, superuser), await benchCopied(serving)];
    const replication = await openReplication(deployment, target);
    try {
      rows.push(...(await benchLag(serving, replication)), await benchCold(serving, target));
    } finally {
      await replication.stop();
    }
    await serving.stop();
    return rows;
  } finally {
    await superuser.end();
    await target.stop();
    await deployment.stop();
  }
}

let value = 0;

/** @param from the first of a hundred companies that are written to in turn */
function setsOf({ secrets }: Serving, from: number): () => Promise<number> {
  return async () =>
    median(
      await latencies(setsOfASide, (i) =>
        secrets
          .company(subdomainOf(from + (i % 100)), product)
          .set(secretKeyOf(i % population.secretsOfEach), `fake-${value++}`),
      ),
    );
}

/** The triggers of a table that has none of the copies that they would make. */
async function benchTriggers(serving: Serving, superuser: postgres.Sql): Promise<Row> {
  const turn = async (how: "enable" | "disable"): Promise<void> => {
    for (const trigger of ["copy_insert", "copy_update", "copy_delete"])
      await superuser.unsafe(`alter table company_secrets ${how} trigger ${trigger}`);
  };
  const set = setsOf(serving, 0);
  const what = "`set` of a company that is in no other region, p50";
  const results = await interleaved(async () => {
    await turn("disable");
    const measured = await set();
    await turn("enable");
    return measured;
  }, set);
  const ratio = ratioOf(what, "ms", results);
  return row({
    name: "regions.triggers",
    what,
    against: "the same without the triggers",
    ratio,
    target: 1.05,
  });
}

async function benchCopied(serving: Serving): Promise<Row> {
  const what = "`set` of a company that is copied to one region, p50";
  const ratio = ratioOf(what, "ms", await interleaved(setsOf(serving, 0), setsOf(serving, copied)));
  return row({
    name: "regions.set",
    what,
    against: "the same of one that is in no other region",
    ratio,
    target: 1.5,
  });
}

/** From the moment at which `set` answers to that at which a process of the other region hears that the copy is there. */
async function benchLag({ secrets }: Serving, replication: RunningReplication): Promise<Row[]> {
  const arrived = await replication.listen();
  const answered = new Map<string, number>();
  const startedAt = performance.now();
  // A machine that is too slow for the rate falls behind it, and says so.
  await inLanes(lanes, writes, async (i) => {
    await sleep(Math.max(0, startedAt + (1000 * i) / writesPerSecond - performance.now()));
    const company = copied + (i % 100);
    const secretKey = secretKeyOf(i % population.secretsOfEach);
    const handle = secrets.company(subdomainOf(company), product);
    const { version } = await handle.set(secretKey, `fake-${value++}`);
    answered.set(replication.nameOf(company, secretKey, version), performance.now());
  });
  const rate = (1000 * writes) / (performance.now() - startedAt);
  while (arrived.size < answered.size) await sleep(20);
  // What was heard of before its writer had its answer was there at once.
  const lags = [...answered].map(([name, at]) => Math.max(0, (arrived.get(name) ?? Number.NaN) - at));
  console.log(
    `${writes} writes, ${rate.toFixed(0)} a second: p50 ${short(percentile(lags, 0.5))} ms, p99 ${short(percentile(lags, 0.99))} ms, at most ${short(Math.max(...lags))} ms`,
  );
  return ([0.5, 0.99] as const).map((share) =>
    row({
      name: `regions.lag-${share}`,
      what: `p${100 * share} of the time from a write to its copy, ${rate.toFixed(0)} writes a second`,
      against: `${longestLagMs} ms`,
      ratio: percentile(lags, share) / longestLagMs,
      target: 1,
    }),
  );
}

/** Each secret is read once by each region, so that none is cached. */
async function benchCold(atHome: Serving, target: Deployment): Promise<Row> {
  // Made known there by the job that does so each minute.
  await target.secrets.adoption.sweep(new AbortController().signal);
  const elsewhere = await serve(target, { region });
  const companies = population.companies - unwritten;
  await inLanes(4, companies, async (i) => {
    await elsewhere.secrets.company(subdomainOf(unwritten + i), product).get(primingKey);
  });
  const side = (serving: Serving): (() => Promise<number>) => {
    let next = 0;
    return async () => {
      const start = next;
      next += readsOfASide;
      const measured = await latencies(readsOfASide, (i) => readSpot(serving, spotAt(start + i)));
      await serving.settle();
      return median(measured);
    };
  };
  const what = "cold get of a copy, one at a time, p50";
  const ratio = ratioOf(what, "ms", await interleaved(side(atHome), side(elsewhere)));
  await elsewhere.stop();
  return row({ name: "regions.cold", what, against: "the same at home", ratio, target: 1.2 });
}

function spotAt(i: number): Spot {
  const companies = population.companies - unwritten;
  const secretKey = secretKeyOf(Math.floor(i / companies) % population.secretsOfEach);
  return { company: unwritten + (i % companies), secretKey };
}
