import { setTimeout as sleep } from "node:timers/promises";
import { countKinds, startLoad, type Outcome } from "@repo/hono-api/testing/load";
import { startReplicated } from "@repo/hono-api/testing/replicated";
import { startServer, variablesOf } from "@repo/hono-api/testing/spawn";
import type { Row } from "./row.ts";

const runs = 3;
/** Milliseconds from the loss until the standby is promoted, which Patroni takes 30 s for by default. */
const promotedAfterMs = 5000;
const timeoutMs = 60_000;

/**
 * Two clients read and two write, the primary is killed, and its synchronous standby promoted five seconds later. Prints when the
 * process noticed, and when it served again; it is no comparison, so there is no row.
 */
export async function benchFailover(): Promise<Row[]> {
  console.log(
    "| `/readyz` 503 after the loss | Answers meanwhile | First write after the promotion | `ready` after it |\n|---|---|---|---|",
  );
  for (let run = 0; run < runs; run += 1) await measure();
  return [];
}

async function measure(): Promise<void> {
  const world = await startReplicated(true);
  const { primary, standby, urls, emulator, company, credential } = world;
  const api = startServer({ ...variablesOf(urls, emulator) });
  try {
    const url = await api.url();
    const report = async (): Promise<string> => (await fetch(`${url}/readyz`)).text();
    await until(async () => (await report()).includes('"status":"ready"'));
    const load = startLoad({ url, credential, company, pairs: 2 });
    await sleep(3000);
    const lostAt = performance.now();
    await primary.stopImmediately();
    await until(async () => (await report()).includes('"status":"unavailable"'));
    const noticedAt = performance.now();
    await sleep(Math.max(0, lostAt + promotedAfterMs - performance.now()));
    await standby.promote();
    const promotedAt = performance.now();
    const isServed = ({ procedure, kind, at }: Outcome): boolean =>
      procedure === "secrets.write" && kind === "200" && at > promotedAt;
    await until(async () => load.outcomes.some(isServed));
    await until(async () => (await report()).includes('"status":"ready"'));
    const readyAt = performance.now();
    await load.stop();
    const meanwhile = load.outcomes.filter(({ at }) => at > lostAt && at < promotedAt);
    const answers = Object.entries(countKinds(meanwhile)).map(([kind, count]) => `${count} × ${kind}`);
    const firstAt = load.outcomes.find(isServed)?.at ?? Infinity;
    const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
    console.log(
      `| ${seconds(noticedAt - lostAt)} | ${answers.join(", ")} | ${seconds(firstAt - promotedAt)} | ${seconds(readyAt - promotedAt)} |`,
    );
  } finally {
    api.kill("SIGKILL");
    await api.ended;
    await world.stop();
  }
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error("It did not happen within a minute.");
    await sleep(20);
  }
}
