import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { z } from "zod";
import type { Deployment } from "./deployment.ts";
import { fillFolders } from "./folders.ts";
import { interleaved, latencies, median, ratioOf } from "./measuring.ts";
import type { Orders } from "./migration-process.ts";
import { populate, subdomainOf } from "./population.ts";
import { startReader } from "./reading.ts";
import { percentile, row, type Row } from "./row.ts";

/** Companies that are read meanwhile; after them come those that are moved. */
const read = 200;
const secretsOfEach = 10;
const few = 100;
const many = 1000;
const switched = 300;
const longestHoldMs = 1000;

const Moved = z.object({
  startedAt: z.number(),
  endedAt: z.number(),
  heldMs: z.array(z.number()),
  peakKb: z.number(),
});

/** Whole migrations, in processes of their own: their memory, their holds, and what reads and writes notice of them. */
export async function benchWholeMigrations(deployment: Deployment): Promise<Row[]> {
  await populate(deployment, { companies: read, secretsOfEach: 20 });
  const all = read + few + many + switched;
  await populate(deployment, { companies: all, existing: read, secretsOfEach: 0, secretStore: "infisical" });
  const from = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);
  const [small, large, toSwitch] = [
    from(read, few),
    from(read + few, many),
    from(read + few + many, switched),
  ];
  await fillFolders(deployment, { companies: [...small, ...large, ...toSwitch], secretsOfEach });

  const ofFew = await move(deployment, "copy", small);
  const reader = await startReader(deployment, { companies: read, secretsOfEach: 20 });
  await sleep(5000);
  const ofMany = await move(deployment, "copy", large);
  const samples = await reader.stop();
  const { heldMs } = await move(deployment, "switch", toSwitch);

  const during = samples
    .filter(({ at }) => at >= ofMany.startedAt && at <= ofMany.endedAt)
    .map(({ ms }) => ms);
  const idle = samples.filter(({ at }) => at < ofMany.startedAt).map(({ ms }) => ms);
  const held = percentile(heldMs, 0.99);
  const mb = (kb: number) => (kb / 1024).toFixed(0);
  console.log(
    `copies of ${many} companies: ${ofMany.endedAt - ofMany.startedAt} ms, ${mb(ofMany.peakKb)} MB; of ${few}: ${ofFew.endedAt - ofFew.startedAt} ms, ${mb(ofFew.peakKb)} MB; ` +
      `holds p50 ${median(heldMs).toFixed(0)} ms, p99 ${held.toFixed(0)} ms (${heldMs.length}); ` +
      `reads p99 ${percentile(idle, 0.99).toFixed(2)} ms idle (${idle.length}), ${percentile(during, 0.99).toFixed(2)} ms meanwhile (${during.length})`,
  );
  return [
    row({
      name: "migration.memory",
      what: `peak memory of copying ${many} companies`,
      against: `the same of ${few} companies`,
      ratio: ofMany.peakKb / ofFew.peakKb,
      target: 1.15,
    }),
    row({
      name: "migration.hold",
      what: `p99 of how long writes of a company with ${secretsOfEach} secrets are held`,
      against: "a second",
      ratio: held / longestHoldMs,
      target: 1,
    }),
    row({
      name: "migration.reads",
      what: "p99 of another process's cold reads during a copy at no limit of the rate",
      against: "the same, idle",
      ratio: percentile(during, 0.99) / percentile(idle, 0.99),
      target: 1.5,
    }),
    await benchFence(deployment),
  ];
}

async function move(
  { urls, superuserUrl, infisical }: Deployment,
  verb: z.infer<typeof Orders>["verb"],
  companies: readonly number[],
): Promise<z.infer<typeof Moved>> {
  const child = fork(fileURLToPath(new URL("./migration-process.ts", import.meta.url)));
  const place = { urls, superuserUrl, infisical };
  child.send({ place, verb, subdomains: companies.map(subdomainOf) } satisfies z.infer<typeof Orders>);
  const ended = once(child, "exit");
  const [answer]: unknown[] = await Promise.race([
    once(child, "message"),
    ended.then(() => {
      throw new Error("A migration's process ended early.");
    }),
  ]);
  await ended;
  return Moved.parse(answer);
}

const writes = 2000;

/** No write is made without the fence: so its statement alone, in the transaction of a write, against the lock that it holds. */
async function benchFence({ urls }: Deployment): Promise<Row> {
  const sql = postgres(urls.application, { max: 1, onnotice: () => {} });
  const [company] = await sql.begin(async (inside) => {
    const found = await inside<{ id: string; epoch: number }[]>`
      select id, store_epoch as epoch from find_company(${subdomainOf(0)})`;
    return found;
  });
  if (company === undefined) throw new Error("the company is there");
  const { id, epoch } = company;
  const write = (enter: (inside: postgres.TransactionSql) => Promise<unknown>) => () =>
    latencies(writes, () =>
      sql.begin(async (inside) => {
        await inside`select set_config('tenant_secrets.company_id', ${id}, true)`;
        await enter(inside);
        await inside`update company_secrets set updated_at = now() where company_id = ${id} and secret_key = 'CUSTOM_0'`;
      }),
    );
  const measured = await interleaved(
    write((inside) => inside`select pg_advisory_xact_lock_shared(hashtextextended(${`company ${id}`}, 0))`),
    write((inside) => inside`select enter_company(${id}, ${epoch})`),
    5,
  );
  await sql.end();
  const p99 = measured.map(([plain, fenced]) => [percentile(plain, 0.99), percentile(fenced, 0.99)] as const);
  return row({
    name: "migration.fence",
    what: "the transaction of a write with the fence, p99",
    against: "the same with the company's lock alone",
    ratio: ratioOf("the transaction of a write, p99", "ms", p99),
    target: 1.05,
  });
}
