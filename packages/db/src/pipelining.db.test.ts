import postgres from "postgres";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { createTestDatabase } from "./testing/index.ts";

// The rest of what the driver is patched for: statements of several callers share a connection.

const database = await createTestDatabase();
afterAll(() => database.drop());

function connect(max: number): postgres.Sql {
  const sql = postgres(database.urls.application, { max, onnotice: () => {} });
  onTestFinished(() => sql.end({ timeout: 1 }));
  return sql;
}

test("a statement that cannot be sent does not shift the answers of the others", async () => {
  const sql = connect(1);
  const moment = (at: Date) => sql`select ${at}::timestamptz as answer`;
  // Once it is prepared, its parameters are written at once.
  await moment(new Date());
  const answers = await Promise.allSettled([
    sql`select 'a' as answer from pg_sleep(0.02)`,
    moment(new Date(Number.NaN)),
    sql`select 'c' as answer`,
    sql`select 'd' as answer`,
  ]);
  expect(
    answers.map((answer) =>
      answer.status === "fulfilled" ? String(answer.value[0]?.["answer"]) : "rejected",
    ),
  ).toEqual(["a", "rejected", "c", "d"]);
});

test("a transaction has its connection to itself also when it begins where the pipeline is full", async () => {
  // One statement under way and 99 behind it: BEGIN is the one that makes the driver's 100.
  const sql = connect(2);
  for (const pipelined of [199, 200, 201]) {
    await Promise.all([sql`select pg_sleep(0.01)`, sql`select pg_sleep(0.01)`]);
    const before = Array.from({ length: pipelined }, () => sql`select 1`.execute());
    const level = await sql.begin(async (inside) => inside`select pg_current_xact_id()`);
    expect(level).toHaveLength(1);
    await Promise.all(before);
    const after = await sql`
      select from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`;
    expect(after).toHaveLength(0);
  }
});

test("a handle that outlives its transaction cannot be used any more", async () => {
  const sql = connect(1);
  let leaked: postgres.TransactionSql | undefined;
  await sql.begin(async (inside) => {
    leaked = inside;
    await inside`select 1`;
  });
  await sql.begin(async () => {
    await expect(leaked === undefined ? undefined : leaked`select 1`).rejects.toMatchObject({
      code: "TRANSACTION_ENDED",
    });
  });
});
