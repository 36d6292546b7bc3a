import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { Place } from "./deployment.ts";
import { readSpot, spotOf } from "./scatter.ts";
import { meet, serve } from "./serving.ts";

// A process of its own that reads at a steady pace, and tells its parent how long each read took.

const Orders = z.object({
  place: Place,
  population: z.object({ companies: z.int(), secretsOfEach: z.int() }),
});

const [message]: unknown[] = await once(process, "message");
const { place, population } = Orders.parse(message);
const serving = await serve(place);
// Caches the companies' keys, as in a running process.
await meet(serving, population.companies);

const ended = new AbortController();
process.once("message", () => ended.abort());
const samples: { at: number; ms: number }[] = [];
process.send?.("reading");
for (let i = 0; !ended.signal.aborted; i++) {
  const started = performance.now();
  await readSpot(serving, spotOf(i, population));
  samples.push({ at: Date.now(), ms: performance.now() - started });
  await sleep(5);
}
process.send?.(samples);
await serving.stop();
process.disconnect();
