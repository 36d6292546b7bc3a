import postgres from "postgres";
import { afterAll, expect, test } from "vitest";
import { createTestDatabase } from "./testing/index.ts";

const database = await createTestDatabase();
afterAll(() => database.drop());

test("x", async () => {
  const sql = postgres(database.urls.application, { max: 1 });
  console.log(await sql`select current_user, current_database(), current_setting('statement_timeout')`);
  await sql.end();
  expect(1).toBe(1);
});
