import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "drizzle-orm";
import postgres from "postgres";
import { afterAll, expect, test } from "vitest";
import { connectDatabase, type Database, type Statements } from "./connect.ts";
import { createTestDatabase } from "./testing/index.ts";

// The answer to a caller that has to know whether its transaction was committed.

const testDatabase = await createTestDatabase();
const { application, maintenance } = testDatabase.urls;
const options = { applicationUrl: application, maintenanceUrl: maintenance };
const database = connectDatabase(options);
const impatient = connectDatabase({ ...options, deadlineMs: 200 });
const superuser = postgres(testDatabase.superuserUrl, { max: 1, onnotice: () => {} });
afterAll(async () => {
  await Promise.all([database.close(), impatient.close(), superuser.end()]);
  await testDatabase.drop();
});

const companyId = "00000000-0000-4000-8000-000000000000";

/** How a transaction ended, and how often it was said to be lost. */
async function endOf(
  on: Pick<Database, "inCompany">,
  work: (statements: Statements) => Promise<unknown>,
): Promise<string> {
  let lost = 0;
  const end = await on
    .inCompany(companyId, async (statements) => {
      statements.whenLost(() => (lost += 1));
      await work(statements);
    })
    .then(
      () => "committed",
      (error: unknown) => (error instanceof Error ? error.message : "?"),
    );
  return `${end}, lost ${lost}`;
}

test("a transaction that is committed is not called lost", async () => {
  expect(await endOf(database, (statements) => statements.execute(sql`select 1`))).toBe("committed, lost 0");
});

test("one that its own work, a statement or the server ends is called lost, once", async () => {
  expect(await endOf(database, () => Promise.reject(new Error("changed its mind")))).toBe(
    "changed its mind, lost 1",
  );
  expect(await endOf(database, (statements) => statements.execute(sql`select 1 / 0`))).toBe(
    "database error 22012, lost 1",
  );
  // The error is caught inside, but the transaction is undone all the same.
  const hidden = endOf(database, (statements) => statements.execute(sql`select 1 / 0`).catch(() => {}));
  expect(await hidden).toBe("database error 22012, lost 1");
  const killed = endOf(database, async (statements) => {
    const [row] = await statements.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`);
    await superuser`select pg_terminate_backend(${row?.pid ?? 0}, 5000)`;
  });
  expect(await killed).toMatch(/^database error (CONNECTION_CLOSED|57P01), lost 1$/);
});

test("one that is given up on is called lost, also to what it registers afterwards", async () => {
  const late = Promise.withResolvers<number>();
  const given = endOf(impatient, async (statements) => {
    await sleep(400);
    let lost = 0;
    statements.whenLost(() => (lost += 1));
    late.resolve(lost);
  });
  expect(await given).toBe("database error TIMEOUT, lost 1");
  expect(await late.promise).toBe(1);
});

test("so it is across companies", async () => {
  let lost = 0;
  const work = (statements: Statements) => {
    statements.whenLost(() => (lost += 1));
    return statements.execute(sql`select 1 / 0`);
  };
  await expect(database.acrossCompanies(work)).rejects.toThrow("22012");
  expect(lost).toBe(1);
});
