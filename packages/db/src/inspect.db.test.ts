import { once } from "node:events";
import { connect, createServer } from "node:net";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { listenForChanges, type Change } from "./changes.ts";
import { connectDatabase } from "./connect.ts";
import { inspectConnection, type Finding } from "./inspect.ts";
import { enqueueJob } from "./jobs/enqueue.ts";
import { startJobs } from "./jobs/index.ts";
import { migrateDatabase } from "./migrate.ts";
import { connectOnce } from "./provision.ts";
import { connectSignInDatabase } from "./sign-in.ts";
import { createTestDatabase } from "./testing/index.ts";
import { findPgBouncer, startPgBouncer, type PgBouncerOptions } from "./testing/pgbouncer.ts";
import { startTransactionPooler, type PoolerOptions } from "./testing/transaction-pooler.ts";

const database = await createTestDatabase();
afterAll(() => database.drop());
const { urls } = database;

async function through(url: string, options: Omit<PoolerOptions, "url">): Promise<string> {
  const pooler = await startTransactionPooler({ url, ...options });
  onTestFinished(() => pooler.stop());
  return pooler.through(url);
}

const inspect = (url: string, connections = 2): Promise<Finding> =>
  inspectConnection({ variable: "DATABASE_URL", url, connections });

test("a server that nothing stands before keeps sessions and prepares statements", async () => {
  expect(await inspect(urls.application)).toEqual({
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
    expect(await inspect(await through(url, kind))).toEqual({
      isPooled: true,
      prepares,
    });
  }
});

test("prepare=false and pgbouncer=true are obeyed where statements could be prepared", async () => {
  for (const parameter of ["prepare=false", "pgbouncer=true"]) {
    expect(await inspect(`${urls.application}?${parameter}`)).toEqual({
      isPooled: false,
      prepares: false,
    });
  }
});

const readOnly = "?options=-c%20default_transaction_read_only%3Don";

test("a server that takes no writes is waited for, and named", async () => {
  await expect(inspect(`${urls.application}${readOnly}`)).rejects.toMatchObject({
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

// The real pooler where this machine has one; our own stands for it everywhere.
const pgBouncers = [findPgBouncer()].filter((file) => file !== undefined);
async function throughPgBouncer(file: string, options: Omit<PgBouncerOptions, "urls">) {
  const pooler = await startPgBouncer(file, { urls: Object.values(urls), ...options });
  onTestFinished(() => pooler.stop());
  return pooler.through;
}

test.each(pgBouncers)(
  "PgBouncer in transaction mode is found out, and migrations run through it: %s",
  async (pgBouncer) => {
    const to = await throughPgBouncer(pgBouncer, { mode: "transaction", poolSize: 4 });
    for (const url of [urls.application, urls.maintenance, urls.listener, urls.signIn])
      expect(await inspect(to(url))).toMatchObject({ isPooled: true });
    await migrateDatabase(to(urls.migration));
  },
);

test.each(pgBouncers)(
  "behind PgBouncer in session mode everything is as it is without one, statements, migrations, news and jobs: %s",
  async (pgBouncer) => {
    const to = await throughPgBouncer(pgBouncer, { mode: "session", poolSize: 12 });
    for (const url of [urls.application, urls.maintenance, urls.listener, urls.signIn])
      expect(await inspect(to(url), 10)).toEqual({ isPooled: false, prepares: true });
    await migrateDatabase(to(urls.migration));
    const changes: Change[] = [];
    const listener = await listenForChanges({
      listenerUrl: to(urls.listener),
      onChange: (change) => changes.push(change),
      onGap: () => {},
    });
    onTestFinished(() => listener.stop());
    const connection = connectDatabase({
      applicationUrl: to(urls.application),
      maintenanceUrl: to(urls.maintenance),
    });
    onTestFinished(() => connection.close());
    await connection.outsideCompanies((sql) => sql`select pg_notify('tenant_secrets', 'regions')`);
    await expect.poll(() => changes, { timeout: 60_000 }).toContainEqual({ subject: "regions" });
    let runs = 0;
    const jobs = await startJobs({
      maintenanceUrl: to(urls.maintenance),
      tasks: { "forget-processes": async () => void (runs += 1) },
      cron: {},
      log: () => {},
    });
    onTestFinished(() => jobs.stop());
    await connection.acrossCompanies((statements) =>
      enqueueJob(statements, { task: "forget-processes", payload: {} }),
    );
    await expect.poll(() => runs, { timeout: 60_000 }).toBe(1);
  },
);

test.each(
  pgBouncers.flatMap((pgBouncer) => [
    { pgBouncer, poolSize: 1, connections: 2 },
    { pgBouncer, poolSize: 4, connections: 10 },
  ]),
)(
  "PgBouncer in session mode with fewer connections than are opened is named, and waited for: $poolSize of $connections",
  async ({ pgBouncer, poolSize, connections }) => {
    const to = await throughPgBouncer(pgBouncer, { mode: "session", poolSize });
    await expect(inspect(to(urls.application), connections)).rejects.toMatchObject({
      name: "ConnectionProblem",
      isUnavailable: true,
      message: expect.stringContaining(
        `DATABASE_URL goes through a pooler in session mode that has ${poolSize} of the ${connections} connections`,
      ),
    });
  },
);

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
  await expect(inspect(url.href)).rejects.toMatchObject({
    name: "ConnectionProblem",
    message: "DATABASE_URL leads to PostgreSQL 14; 15 or newer is needed.",
    isUnavailable: false,
  });
});
