import { Session, type Profiler } from "node:inspector/promises";
import { startDeployment } from "./deployment.ts";
import { inLanes, short } from "./measuring.ts";
import { populate } from "./population.ts";
import { readSpot, spotOf } from "./scatter.ts";
import { dropEverything, meet, serve, type Serving } from "./serving.ts";

const population = { companies: 100, secretsOfEach: 300 };
const lanes = 50;
const reads = 10_000;
const warmUp = 3000;
/** Microseconds between two samples. */
const interval = 100;
const longestList = 30;

/** Where the time of a process goes in cold reads, 50 at once, with and without the audit log. It compares nothing, and has no rows. */
export async function benchProfile(): Promise<never[]> {
  const deployment = await startDeployment();
  try {
    await populate(deployment, population);
    for (const [what, options] of [
      ["recorded", {}],
      ["without the audit log", { openAuditLog: () => dropEverything }],
    ] as const) {
      const serving = await serve(deployment, options);
      await meet(serving, population.companies);
      await readCold(serving, 0, warmUp);
      const profile = await profiled(async () => {
        await readCold(serving, warmUp, reads);
        await serving.secrets.flush();
      });
      console.log(`cold get, ${lanes} at once, ${what}: ${summaryOf(profile)}`);
      await serving.settle();
      await serving.stop();
    }
    return [];
  } finally {
    await deployment.stop();
  }
}

function readCold(serving: Serving, from: number, times: number): Promise<void> {
  return inLanes(lanes, times, (i) => readSpot(serving, spotOf(from + i, population)));
}

async function profiled(work: () => Promise<void>): Promise<Profiler.Profile> {
  const session = new Session();
  session.connect();
  try {
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval });
    await session.post("Profiler.start");
    await work();
    return (await session.post("Profiler.stop")).profile;
  } finally {
    session.disconnect();
  }
}

/** Microseconds of a read in each function itself, the longest first. */
function summaryOf({ nodes, samples = [], timeDeltas = [], startTime, endTime }: Profiler.Profile): string {
  const nameOf = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      const file = url.split("/").slice(-2).join("/");
      return [id, file === "" ? functionName : `${functionName || "(anonymous)"} ${file}:${lineNumber + 1}`];
    }),
  );
  const self = new Map<string, number>();
  for (const [i, id] of samples.entries()) {
    const name = nameOf.get(id) ?? "?";
    self.set(name, (self.get(name) ?? 0) + (timeDeltas[i + 1] ?? interval));
  }
  const longest = [...self].toSorted(([, a], [, b]) => b - a).slice(0, longestList);
  const lines = longest.map(([name, time]) => `  ${(time / reads).toFixed(2).padStart(6)} µs  ${name}`);
  return [`${short((endTime - startTime) / reads)} µs a read`, ...lines].join("\n");
}
