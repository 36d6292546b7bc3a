import { openBareSelect, type BareSelect } from "./bare-select.ts";
import { startDeployment } from "./deployment.ts";
import { inLanes, interleaved, latencies, median, pairs, ratioOf, short, timed } from "./measuring.ts";
import { populate } from "./population.ts";
import { percentile, row, throughputRow, type Row } from "./row.ts";
import { readFirst, readSpot, selectSpot, spotOf } from "./scatter.ts";
import { dropEverything, meet, serve, type Serving } from "./serving.ts";

const population = { companies: 100, secretsOfEach: 300 };
const oneByOne = 1000;
const atOnce = 50;
const inBulk = 2500;
/** Where the secrets begin that were not read one by one. */
const offset = (pairs + 1) * oneByOne;

/**
 * A read of a secret that this process has not read before, of a company that it knows, against selecting the same row by
 * its primary key. Each secret is read once, so that none is cached.
 */
export async function benchCold(): Promise<Row[]> {
  const deployment = await startDeployment();
  try {
    await populate(deployment, population);
    const select = await openBareSelect(deployment);
    const serving = await serve(deployment);
    const first = await latencies(population.companies, (i) => readFirst(serving, i));
    console.log(
      `the very first read of a company in a process: p50 ${short(median(first))} ms, p99 ${short(percentile(first, 0.99))} ms`,
    );
    const alone = await benchOneByOne(serving, select);
    const recorded = await benchAtOnce(
      { name: "cold.many", what: `cold get, ${atOnce} at once`, from: offset, target: 1 },
      serving,
      select,
    );
    await serving.stop();

    // What part of that the audit log has.
    const unrecorded = await serve(deployment, { openAuditLog: () => dropEverything });
    await meet(unrecorded, population.companies);
    const what = `cold get, ${atOnce} at once, without the audit log`;
    const plain = await benchAtOnce(
      { name: "cold.many-unrecorded", what, from: 0, target: 1.5 },
      unrecorded,
      select,
    );
    await unrecorded.stop();
    await select.stop();
    return [alone, recorded, plain];
  } finally {
    await deployment.stop();
  }
}

async function benchOneByOne(serving: Serving, select: BareSelect): Promise<Row> {
  // Both sides of a pair meet the same rows, one after the other and the other after the one.
  const spots = blocks(0, oneByOne);
  const results = await interleaved(
    () => spots.plain((spot) => latencies(oneByOne, (i) => selectSpot(select, spot(i)))),
    () =>
      spots.measured(async (spot) => {
        const measured = await latencies(oneByOne, (i) => readSpot(serving, spot(i)));
        await serving.settle();
        return measured;
      }),
  );
  const what = "cold get, one at a time, p50";
  const medians = results.map(([plain, measured]) => [median(plain), median(measured)] as const);
  return row({
    name: "cold.one",
    what,
    against: "a bare primary-key select",
    ratio: ratioOf(what, "ms", medians),
    target: 1.5,
  });
}

/** Enough reads that their audit events are written meanwhile, and the rest within the measured time. */
async function benchAtOnce(
  { name, what, from, target }: Pick<Row, "name" | "what" | "target"> & { readonly from: number },
  serving: Serving,
  select: BareSelect,
): Promise<Row> {
  const spots = blocks(from, inBulk);
  const rate = async (work: () => Promise<void>): Promise<number> => (1000 * inBulk) / (await timed(work));
  const results = await interleaved(
    () => spots.plain((spot) => rate(() => inLanes(atOnce, inBulk, (i) => selectSpot(select, spot(i))))),
    () =>
      spots.measured(async (spot) => {
        const measured = await rate(async () => {
          await inLanes(atOnce, inBulk, (i) => readSpot(serving, spot(i)));
          await serving.secrets.flush();
        });
        await serving.settle();
        return measured;
      }),
  );
  return throughputRow({
    name,
    what,
    against: `the same select, ${atOnce} at once`,
    ratio: ratioOf(what, "a second", results),
    target,
  });
}

/** Gives each side of each pair its secrets: the same ones to both, and other ones to every pair. */
function blocks(from: number, size: number) {
  type Measure<T> = (spot: (i: number) => ReturnType<typeof spotOf>) => Promise<T>;
  const side = () => {
    let next = from;
    return <T>(measure: Measure<T>): Promise<T> => {
      const start = next;
      next += size;
      return measure((i) => spotOf(start + i, population));
    };
  };
  return { plain: side(), measured: side() };
}
