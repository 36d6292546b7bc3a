import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import postgres from "postgres";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { ChaosOrders, ChaosReport } from "./testing/chaos.ts";
import { createTestDatabase } from "./testing/index.ts";

// What the patch of the driver is for (patches/postgres@3.4.9.patch): a server process can die at any moment.

const ALPHA = "alpha";
const BETA = "beta";

const database = await createTestDatabase();
const superuser = postgres(database.superuserUrl, { max: 1, onnotice: () => {} });
afterAll(async () => {
  await superuser.end();
  await database.drop();
});

beforeAll(async () => {
  await superuser`create table belongings (company text not null, content text not null)`;
  await superuser`alter table belongings owner to tenant_secrets_migration`;
  await superuser`alter table belongings enable row level security`;
  await superuser`alter table belongings force row level security`;
  await superuser`create policy company on belongings using (company = current_setting('test.company', true))`;
  await superuser`grant select, insert on belongings to tenant_secrets_application`;
  await superuser`insert into belongings values (${ALPHA}, 'of alpha'), (${BETA}, 'of beta')`;
});

function connect(options: postgres.Options<Record<string, never>> = {}): postgres.Sql {
  const sql = postgres(database.urls.application, {
    max: 1,
    onnotice: () => {},
    backoff: () => 0.01,
    ...options,
  });
  onTestFinished(() => sql.end({ timeout: 1 }));
  return sql;
}

async function kill(pid: number): Promise<void> {
  await superuser`select pg_terminate_backend(${pid}, 5000)`;
}

async function enter(sql: postgres.ISql, company: string): Promise<number> {
  const [row] = await sql<{ pid: number }[]>`
    select pg_backend_pid() as pid, set_config('test.company', ${company}, true)`;
  if (row === undefined) throw new Error("no row");
  return row.pid;
}

// chaos.ts prints nothing but one ChaosReport.
function parseReport(json: string): ChaosReport {
  return JSON.parse(json);
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "succeeded",
    (error: unknown) => (error instanceof Error && "code" in error ? String(error.code) : String(error)),
  );

test("a transaction that lost its connection never continues inside another company's", async () => {
  const sql = connect();
  const lost = Promise.withResolvers<void>();
  const betaEntered = Promise.withResolvers<void>();
  const alphaTried = Promise.withResolvers<string>();

  const alpha = sql.begin(async (inside) => {
    await kill(await enter(inside, ALPHA));
    lost.resolve();
    await betaEntered.promise;
    alphaTried.resolve(await codeOf(inside`insert into belongings values (${BETA}, 'put there by alpha')`));
  });
  expect(await codeOf(alpha)).toBe("CONNECTION_CLOSED");
  await lost.promise;

  const beta = sql.begin(async (inside) => {
    await enter(inside, BETA);
    betaEntered.resolve();
    expect(await alphaTried.promise).toBe("CONNECTION_CLOSED");
    await inside`insert into belongings values (${BETA}, 'put there by beta')`;
  });
  expect(await codeOf(beta)).toBe("succeeded");
  const rows = await superuser`select content from belongings where content like 'put there%'`;
  expect(rows.map((row) => String(row["content"]))).toEqual(["put there by beta"]);
});

test("what a lost transaction had queued is rejected and not left waiting", async () => {
  const sql = connect();
  const queued: Promise<string>[] = [];
  const transaction = sql.begin(async (inside) => {
    const pid = await enter(inside, ALPHA);
    // The first has a parameter of unknown type, so that the others wait in the transaction's own queue.
    queued.push(...[1, 2, 3].map((n) => codeOf(inside`select ${n}::int, pg_sleep(30)`)));
    await sleep(20);
    await kill(pid);
    await Promise.all(queued);
  });
  expect(await codeOf(transaction)).toBe("CONNECTION_CLOSED");
  expect(await Promise.all(queued)).toEqual(["CONNECTION_CLOSED", "CONNECTION_CLOSED", "CONNECTION_CLOSED"]);
  expect(await codeOf(sql`select 1`)).toBe("succeeded");
});

test("a reserved connection that was lost is not used again, and giving it back does no harm", async () => {
  const sql = connect();
  const reserved = await sql.reserve();
  const pid = await enter(reserved, ALPHA);
  expect(await enter(reserved, ALPHA)).toBe(pid);
  await kill(pid);
  const other = sql.begin(async (inside) => {
    await enter(inside, BETA);
    expect(await codeOf(reserved`select content from belongings`)).toBe("CONNECTION_CLOSED");
    reserved.release();
    const [seen] = await inside<
      { content: string }[]
    >`select content from belongings where content = 'of beta'`;
    expect(seen?.content).toBe("of beta");
  });
  expect(await codeOf(other)).toBe("succeeded");
  expect(await codeOf(sql`select 1`)).toBe("succeeded");
});

test("a server that accepts connections and drops them is an error, not an endless wait", async () => {
  const server = createServer((socket) => socket.destroy());
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const sql = postgres(`postgres://nobody@127.0.0.1:${port}/nothing`, { max: 1, backoff: () => 0.01 });
  expect(await codeOf(sql`select 1`)).toMatch(/CONNECTION_CLOSED|ECONNRESET/);
  await sql.end();
});

test("closing the pool ends although a connection is lost meanwhile", async () => {
  const sql = connect();
  let ended: Promise<void> | undefined;
  const transaction = sql.begin(async (inside) => {
    const pid = await enter(inside, ALPHA);
    ended = sql.end();
    await kill(pid);
  });
  expect(await codeOf(transaction)).toBe("CONNECTION_CLOSED");
  expect(await Promise.race([ended?.then(() => "ended"), sleep(2_000, "waits", { ref: false })])).toBe(
    "ended",
  );
});

test(
  "24 workers of two companies lose connections at random: no foreign row, no hang, no crash",
  { timeout: 180_000 },
  async () => {
    const orders: ChaosOrders = {
      applicationUrl: database.urls.application,
      superuserUrl: database.superuserUrl,
      companies: [ALPHA, BETA],
      durationMs: 6_000,
    };
    const script = fileURLToPath(new URL("./testing/chaos.ts", import.meta.url));
    const run = promisify(execFile)(process.execPath, [script], { timeout: 60_000 });
    run.child.stdin?.end(JSON.stringify(orders));
    const report = parseReport((await run).stdout);
    expect(report).toMatchObject({ foreignRows: 0, foreignAnswers: 0, hung: 0, closed: true });
    expect(report.killed).toBeGreaterThan(20);
    expect(report.succeeded).toBeGreaterThan(20);
  },
);
