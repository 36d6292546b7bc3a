import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { scrubDatabaseError } from "./errors.ts";
import { createTestDatabase } from "./testing/index.ts";
import { startTransactionPooler } from "./testing/transaction-pooler.ts";

// What else the driver is patched for: a prepared statement can be refused by the server although nothing is wrong with
// it, after a migration ("cached plan must not change result type") or behind a pooler ("prepared statement does not
// exist"). Every answer is compared with its question.

const database = await createTestDatabase();
const superuser = postgres(database.superuserUrl, { max: 2, onnotice: () => {} });
afterAll(async () => {
  await superuser.end();
  await database.drop();
});

const rows = 200;
await superuser`create table things (id integer primary key, content text not null, flag boolean not null)`;
await superuser`insert into things select n, 'content of ' || n, n % 2 = 0 from generate_series(1, ${rows}) n`;
await superuser`grant select, insert on things to tenant_secrets_application`;

function connect(url: string, max: number): postgres.Sql {
  const sql = postgres(url, { max, onnotice: () => {}, connection: { application_name: "stale" } });
  onTestFinished(() => sql.end({ timeout: 1 }));
  return sql;
}

interface Thing {
  readonly id: number;
  readonly content: string;
  readonly asked: boolean;
  readonly document: unknown;
}

const anyOf = (): number => 1 + Math.floor(Math.random() * rows);

/** One read. Its parameters have types that serialise differently the second time unless they are serialised again. */
async function read(sql: postgres.ISql, id: number): Promise<string> {
  const flag = id % 2 === 0;
  const [row] = await sql<Thing[]>`
    select *, ${flag}::boolean as asked, ${sql.json({ id })}::jsonb as document from things where id = ${id}`;
  const isRight =
    row?.id === id &&
    row.content === `content of ${id}` &&
    row.asked === flag &&
    JSON.stringify(row.document) === JSON.stringify({ id });
  return isRight ? "right" : `asked for ${id}, answered ${JSON.stringify(row)}`;
}

/** Answers with what became of it; what takes longer than 20 s hangs. */
function outcomeOf(work: Promise<string>): Promise<string> {
  return Promise.race([work.catch(String), sleep(20_000, "hangs", { ref: false })]);
}

/** How often each outcome was seen. */
async function tally(outcomes: readonly Promise<string>[]): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  for (const outcome of await Promise.all(outcomes)) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

/**
 * What a statement ends with that met a migration at each of the six times that it was sent. On a slow machine some do: the
 * migrations here are milliseconds apart.
 */
const refusedTooOften = "PostgresError: cached plan must not change result type";

/** Repeats the work while what every read has in its answer is changed, until that has happened often enough. */
async function underMigrations<T>(work: () => Promise<T>): Promise<T[]> {
  const over = new AbortController();
  const migrating = migrateOften().finally(() => over.abort());
  const results: T[] = [];
  while (!over.signal.aborted) results.push(await work());
  await migrating;
  return results;
}

async function migrateOften(): Promise<void> {
  for (let n = 0; n < 12; n += 1) {
    await superuser`alter table things add column extra integer`;
    await sleep(15);
    await superuser`alter table things drop column extra`;
    await sleep(15);
  }
}

const limit = { timeout: 240_000 };

const many = (count: number, work: () => Promise<string>): Promise<string>[] =>
  Array.from({ length: count }, () => outcomeOf(work()));

test("reads while tables are migrated get the rows that they asked for", limit, async () => {
  const sql = connect(database.urls.application, 4);
  const reader = async (): Promise<readonly string[]> => {
    const outcomes: string[] = [];
    for (let n = 0; n < 20; n += 1) outcomes.push(await outcomeOf(read(sql, anyOf())));
    return outcomes;
  };
  const rounds = await underMigrations(() => Promise.all(Array.from({ length: 60 }, reader)));
  const answered = rounds.flat(2).filter((outcome) => outcome !== refusedTooOften);
  expect(new Set(answered)).toEqual(new Set(["right"]));
  expect(answered.length).toBeGreaterThanOrEqual(600);
});

test("reads that share one connection while tables are migrated are answered in turn", limit, async () => {
  const sql = connect(database.urls.application, 1);
  const rounds = await underMigrations(() => tally(many(200, () => read(sql, anyOf()))));
  for (const { [refusedTooOften]: _, ...answered } of rounds) {
    expect(answered).toEqual({ right: expect.any(Number) });
  }
});

test("a transaction meets a migration with an error or a right answer, and ends", limit, async () => {
  const sql = connect(database.urls.application, 3);
  const transaction = (): Promise<string> =>
    sql.begin(async (inside) => {
      const three = await Promise.all([1, 2, 3].map(() => read(inside, anyOf())));
      return three.find((outcome) => outcome !== "right") ?? "right";
    });
  const rounds = await underMigrations(() =>
    Promise.all([tally(many(8, transaction)), tally(many(8, () => read(sql, anyOf())))]),
  );
  for (const [transactions, reads] of rounds) {
    expect(reads).toEqual({ right: 8 });
    for (const outcome of Object.keys(transactions)) expect(outcome).toMatch(/^right$|cached plan must not/);
  }
  // None is left behind in a transaction; the first may still meet the last migration.
  await tally(many(20, transaction));
  expect(await tally(many(20, transaction))).toEqual({ right: 20 });
});

test("a reserved connection fails once after a migration, and then works again", limit, async () => {
  const sql = connect(database.urls.application, 1);
  const reserved = await sql.reserve();
  expect(await read(reserved, 1)).toBe("right");
  await superuser`alter table things add column extra integer`;
  const [first, ...rest] = await Promise.allSettled([
    read(reserved, 2),
    reserved`select 'second' as answer`,
    reserved`select 'third' as answer`,
  ]);
  await superuser`alter table things drop column extra`;
  const reason: unknown = first?.status === "rejected" && first.reason;
  expect(String(reason)).toMatch(/cached plan/);
  // The same call succeeds when it is made again.
  expect(scrubDatabaseError(reason)).toMatchObject({ kind: "unavailable", code: "0A000" });
  expect(rest).toMatchObject([{ value: [{ answer: "second" }] }, { value: [{ answer: "third" }] }]);
  reserved.release();
  expect(await tally(Array.from({ length: 20 }, () => read(sql, anyOf())))).toEqual({ right: 20 });
});

test(
  "after one connection's prepared statement was rejected, the others prepare theirs again",
  limit,
  async () => {
    const sql = connect(database.urls.application, 3);
    const held = await Promise.all([sql.reserve(), sql.reserve(), sql.reserve()]);
    for (const connection of held) expect(await read(connection, 1)).toBe("right");
    await superuser`alter table things add column extra integer`;
    const outcomes: string[] = [];
    for (const connection of held) outcomes.push(await read(connection, 2).catch(() => "refused"));
    await superuser`alter table things drop column extra`;
    for (const connection of held) connection.release();
    expect(outcomes).toEqual(["refused", "right", "right"]);
  },
);

test.each([
  { tracksStatements: false, pooler: "that does not know prepared statements" },
  { tracksStatements: true, pooler: "that carries prepared statements along" },
])("behind a pooler $pooler, answers are right in and outside of transactions", limit, async (kind) => {
  const { urls } = database;
  const pooler = await startTransactionPooler({ url: urls.application, servers: 3, ...kind });
  onTestFinished(() => pooler.stop());
  const sql = connect(pooler.through(urls.application), 6);
  const transaction = (): Promise<string> =>
    sql.begin(async (inside) => {
      const pid = async () => (await inside<{ pid: number }[]>`select pg_backend_pid() as pid`)[0]?.pid;
      const before = await pid();
      const outcome = await read(inside, anyOf());
      return before === (await pid()) ? outcome : "two servers in one transaction";
    });
  const bursts = async (): Promise<readonly Readonly<Record<string, number>>[]> => {
    const reads: Promise<string>[] = [];
    const transactions: Promise<string>[] = [];
    for (let burst = 0; burst < 20; burst += 1) {
      reads.push(...Array.from({ length: 40 }, () => outcomeOf(read(sql, anyOf()))));
      transactions.push(...Array.from({ length: 6 }, () => outcomeOf(transaction())));
      await sleep(10);
    }
    return Promise.all([tally(reads), tally(transactions)]);
  };
  const [reads, transactions] = await bursts();
  expect(reads).toEqual({ right: 800 });
  // Those that had begun when it was found out have failed, and no more.
  const { right = 0, ...others } = transactions ?? {};
  expect(right).toBeGreaterThan(60);
  for (const outcome of Object.keys(others)) expect(outcome).toMatch(/prepared statement .* does not exist/);
  expect(await bursts()).toEqual([{ right: 800 }, { right: 120 }]);
});

test("what ends a transaction is known to every server of a pooler", limit, async () => {
  const { urls } = database;
  const pooler = await startTransactionPooler({ url: urls.application, servers: 3, tracksStatements: false });
  onTestFinished(() => pooler.stop());
  const sql = connect(pooler.through(urls.application), 3);
  const committed = async (): Promise<string> => {
    await sql.begin((inside) => inside.savepoint((nested) => nested.unsafe("select 1")));
    return "right";
  };
  const undone = async (): Promise<string> => {
    const attempt = sql.begin(async (inside) => {
      await inside.unsafe("select 1");
      throw new RangeError("undone");
    });
    return attempt.catch((error: unknown) => (error instanceof RangeError ? "right" : String(error)));
  };
  // Each connection of ours brings the pooler one of the server's, and these are handed round.
  for (let n = 0; n < 15; n += 1)
    expect(await tally([...many(6, committed), ...many(6, undone)])).toEqual({ right: 12 });
});
