import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";

// A separate process, so that an uncaught error ends it and not the tests. Gets its orders on stdin,
// prints a ChaosReport and exits 0.

export interface ChaosOrders {
  readonly applicationUrl: string;
  readonly superuserUrl: string;
  readonly companies: readonly [string, string];
  readonly durationMs: number;
}

export interface ChaosReport {
  readonly killed: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Rows of another company than the one that was set. */
  readonly foreignRows: number;
  /** Answers to another call's question. */
  readonly foreignAnswers: number;
  /** Calls that neither succeeded nor failed in time. */
  readonly hung: number;
  readonly closed: boolean;
}

const WORKERS = 24;
// What hangs, hangs for ever; a busy machine is merely slow.
const HUNG_AFTER_MS = 10_000;
const APPLICATION_NAME = "chaos";

if (import.meta.main) {
  console.log(JSON.stringify(await rage(parseOrders(await text(process.stdin)))));
  // What hung would keep the process.
  process.exit(0);
}

// The parent process serialised a ChaosOrders.
function parseOrders(json: string): ChaosOrders {
  return JSON.parse(json);
}

async function rage(orders: ChaosOrders): Promise<ChaosReport> {
  const sql = postgres(orders.applicationUrl, {
    max: 4,
    onnotice: () => {},
    backoff: () => 0.005,
    connection: { application_name: APPLICATION_NAME },
  });
  const superuser = postgres(orders.superuserUrl, { max: 1, onnotice: () => {} });
  const counts = { killed: 0, succeeded: 0, failed: 0, foreignRows: 0, foreignAnswers: 0, hung: 0 };
  const end = performance.now() + orders.durationMs;

  // The transaction waits for something other than SQL, which is forbidden elsewhere.
  async function transaction(company: string): Promise<void> {
    await sql.begin(async (inside) => {
      await inside`select set_config('test.company', ${company}, true)`;
      await sleep(Math.random() * 120);
      const rows = await inside<{ company: string }[]>`select company from belongings`;
      counts.foreignRows += rows.filter((row) => row.company !== company).length;
    });
  }

  async function singleStatement(): Promise<void> {
    const asked = Math.random().toString(36);
    const [row] = await sql<{ answer: string }[]>`select ${asked}::text as answer from pg_sleep(0.002)`;
    if (row?.answer !== asked) counts.foreignAnswers += 1;
  }

  async function worker(first: number): Promise<void> {
    for (let turn = first; performance.now() < end; turn += 1) {
      const work = turn % 3 === 0 ? singleStatement() : transaction(orders.companies[turn % 2 === 0 ? 0 : 1]);
      const outcome = await Promise.race([
        work.then(
          () => "succeeded" as const,
          () => "failed" as const,
        ),
        sleep(HUNG_AFTER_MS, "hung" as const, { ref: false }),
      ]);
      counts[outcome] += 1;
    }
  }

  async function killer(): Promise<void> {
    while (performance.now() < end) {
      await sleep(30);
      const killed = await superuser`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = ${APPLICATION_NAME} and datname = current_database() order by random() limit 1`;
      counts.killed += killed.length;
    }
  }

  await Promise.all([killer(), ...Array.from({ length: WORKERS }, (_, index) => worker(index))]);
  const closed = await Promise.race([sql.end().then(() => true), sleep(HUNG_AFTER_MS, false)]);
  return { ...counts, closed };
}
