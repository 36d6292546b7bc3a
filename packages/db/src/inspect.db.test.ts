import { once } from "node:events";
import { connect, createServer } from "node:net";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { connectDatabase } from "./connect.ts";
import { inspectConnection } from "./inspect.ts";
import { migrateDatabase } from "./migrate.ts";
import { connectOnce } from "./provision.ts";
import { connectSignInDatabase } from "./sign-in.ts";
import { createTestDatabase } from "./testing/index.ts";
import { startTransactionPooler, type PoolerOptions } from "./testing/transaction-pooler.ts";

const database = await createTestDatabase();
afterAll(() => database.drop());
const { urls } = database;

async function through(url: string, options: Omit<PoolerOptions, "url">): Promise<string> {
  const pooler = await startTransactionPooler({ url, ...options });
  onTestFinished(() => pooler.stop());
  return pooler.through(url);
}

test("a server that nothing stands before keeps sessions and prepares statements", async () => {
  expect(await inspectConnection("DATABASE_URL", urls.application)).toEqual({
    isPooled: false,
    prepares: true,
  });
});

test.each([
  { servers: 1, tracksStatements: false, prepares: false },
  { servers: 2, tracksStatements: false, prepares: false },
  { servers: 5, tracksStatements: false, prepares: false },
  { servers: 2, tracksStatements: true, prepares: true },
  { servers: 5, tracksStatements: true, prepares: true },
  // Nothing can be seen of what it knows: it has one session only.
  { servers: 1, tracksStatements: true, prepares: false },
])("a pooler in transaction mode is found out: %o", async ({ prepares, ...kind }) => {
  for (const url of [urls.application, urls.listener]) {
    expect(await inspectConnection("DATABASE_URL", await through(url, kind))).toEqual({
      isPooled: true,
      prepares,
    });
  }
});

test("prepare=false and pgbouncer=true are obeyed where statements could be prepared", async () => {
  for (const parameter of ["prepare=false", "pgbouncer=true"]) {
    expect(await inspectConnection("DATABASE_URL", `${urls.application}?${parameter}`)).toEqual({
      isPooled: false,
      prepares: false,
    });
  }
});

const readOnly = "?options=-c%20default_transaction_read_only%3Don";

test("a server that takes no writes is waited for, and named", async () => {
  await expect(inspectConnection("DATABASE_URL", `${urls.application}${readOnly}`)).rejects.toMatchObject({
    name: "ConnectionProblem",
    message:
      "DATABASE_URL leads to a server that takes no writes: a standby, or one that was made read-only.",
    isUnavailable: true,
  });
});

test("each pool tells by itself whether its server takes writes", async () => {
  const { application: applicationUrl, maintenance: maintenanceUrl } = urls;
  const takesNone = { kind: "unavailable", code: "25006" };
  const one = connectDatabase({ applicationUrl: `${applicationUrl}${readOnly}`, maintenanceUrl });
  onTestFinished(() => one.close());
  await expect(one.checkWrites("application")).rejects.toMatchObject(takesNone);
  await one.checkWrites("maintenance");
  const other = connectDatabase({ applicationUrl, maintenanceUrl: `${maintenanceUrl}${readOnly}` });
  onTestFinished(() => other.close());
  await other.checkWrites("application");
  await expect(other.checkWrites("maintenance")).rejects.toMatchObject(takesNone);
  const people = connectSignInDatabase(`${urls.signIn}${readOnly}`);
  onTestFinished(() => people.close());
  await expect(people.checkWrites()).rejects.toMatchObject(takesNone);
});

test("migrations run through a pooler in transaction mode, and leave no lock behind there", async () => {
  const url = await through(urls.migration, { servers: 4, tracksStatements: false });
  await migrateDatabase(url);
  const sql = connectOnce(database.superuserUrl);
  onTestFinished(() => sql.end());
  const held = await sql`
    select from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`;
  expect(held).toHaveLength(0);
  // Left unawaited: the test does not depend on it.
  await migrateDatabase(urls.migration, 1000);
});

test("a server that is too old is refused by its version", async () => {
  const url = new URL(urls.application);
  const { port, hostname } = url;
  const tunnel = createServer((client) => {
    const server = connect(Number(port), hostname);
    client.on("error", () => {}).on("close", () => server.destroy());
    client.on("data", (bytes) => server.write(bytes));
    server.on("error", () => {}).on("close", () => client.destroy());
    // What the server tells of itself, with another number of as many digits.
    server.on("data", (bytes) =>
      client.write(Buffer.from(bytes.toString("latin1").replace(/(server_version\0)\d\d/, "$114"), "latin1")),
    );
  });
  await once(tunnel.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void tunnel.close());
  const address = tunnel.address();
  url.port = String(typeof address === "object" ? address?.port : "");
  await expect(inspectConnection("DATABASE_URL", url.href)).rejects.toMatchObject({
    name: "ConnectionProblem",
    message: "DATABASE_URL leads to PostgreSQL 14; 15 or newer is needed.",
    isUnavailable: false,
  });
});
