import { randomBytes } from "node:crypto";
import { connectDatabase, type Database } from "@repo/db";
import { createTestDatabase, startTransactionPooler, type TestDatabase } from "@repo/db/testing";
import { createInfisicalClient, type InfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator, type InfisicalEmulator } from "@repo/infisical/emulator";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createTenantSecrets } from "@repo/tenant-secrets";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { connectionsCheck } from "./connections.ts";
import { createLog } from "./log.ts";
import { createStartUp, prepareToServe, StartupError } from "./bootstrap.ts";

let testDatabase: TestDatabase;
let emulator: InfisicalEmulator;
let infisical: InfisicalClient;
const connections: Database[] = [];
const randomKey = () => randomBytes(32).toString("hex");
const never = new AbortController().signal;

beforeAll(async () => {
  [testDatabase, emulator] = await Promise.all([createTestDatabase(), startInfisicalEmulator()]);
  infisical = createInfisicalClient({ ...emulator, environment: "dev" });
});
afterAll(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  await emulator.stop();
  await testDatabase.drop();
});

type StartUrls = Readonly<
  { application: string } & Partial<Record<"maintenance" | "migration", string | undefined>>
>;

/** A start of a process of its own: nothing loaded yet. */
function start(urls: StartUrls = testDatabase.urls) {
  const database = connectDatabase({
    applicationUrl: urls.application,
    maintenanceUrl: urls.maintenance ?? testDatabase.urls.maintenance,
  });
  connections.push(database);
  const secrets = createTenantSecrets({ database, infisical, catalog: deliveryChatCatalog, cache: false });
  const lines: string[] = [];
  const startUp = createStartUp(createLog("info", { write: (line) => void lines.push(line) }));
  const steps = async (): Promise<void> => {
    await prepareToServe(database, secrets, urls.migration);
  };
  return {
    lines,
    problem: () => startUp.problem()?.error.code,
    run: (signal = never) => startUp.run(steps, signal),
  };
}

async function httpErrorOf(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof StartupError) return error.message;
  throw new Error("was not refused", { cause: error });
}

it("is refused when row-level security does not bind the database's role, and nothing is served", async () => {
  const { run, problem } = start({ application: testDatabase.superuserUrl });
  expect(await httpErrorOf(run())).toMatch(/is a superuser.*Connect as tenant_secrets_application/);
  expect(problem()).toBe("KEY_UNAVAILABLE");
});

it("is refused when the database does not accept the password, without quoting it", async () => {
  const url = new URL(testDatabase.urls.application);
  url.password = "canary";
  expect(await httpErrorOf(start({ application: url.href }).run())).toBe(
    "The start failed: database error 28P01.",
  );
});

it("a start waits for an unavailable database, logs that once, and ends on request", async () => {
  const { run, lines, problem } = start({ application: "postgres://nobody:canary@127.0.0.1:1/nowhere" });
  const stopping = new AbortController();
  setTimeout(() => stopping.abort(), 1500);
  await run(stopping.signal);
  expect(problem()).toBe("DATABASE_UNAVAILABLE");
  expect(lines.map((line): unknown => JSON.parse(line))).toEqual([
    expect.objectContaining({ level: "warn", msg: expect.stringContaining("database cannot be reached") }),
  ]);
});

describe("where a newer release has migrated the tables", () => {
  async function newer(oldest: number) {
    const migrated = await testDatabase.copy();
    const superuser = connectDatabase({
      applicationUrl: migrated.superuserUrl,
      maintenanceUrl: migrated.superuserUrl,
    });
    await superuser.outsideCompanies(
      (sql) => sql`insert into schema_versions (version, oldest, release) values (1000, ${oldest}, '9.0.0')`,
    );
    await superuser.close();
    onTestFinished(() => migrated.drop());
    return migrated;
  }

  it("a start is refused, at once and with both versions, where they serve this program no longer", async () => {
    const { urls } = await newer(999);
    const { run, lines } = start(urls);
    expect(await httpErrorOf(run())).toMatch(
      /has schema version 1000 \(release 9\.0\.0\).*of version 999 and later.*start release 9\.0\.0 or a newer one/,
    );
    expect(lines).toEqual([]);
  });

  it("a start goes on to the key where they still serve it", async () => {
    await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomKey());
    const { urls } = await newer(1);
    const { run, problem } = start(urls);
    await run();
    expect(problem()).toBeUndefined();
  });
});

it("waits for the migration of tables that are behind, and starts after it", async () => {
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomKey());
  const behind = await testDatabase.copy();
  onTestFinished(() => behind.drop());
  const superuser = connectDatabase({
    applicationUrl: behind.superuserUrl,
    maintenanceUrl: behind.superuserUrl,
  });
  connections.push(superuser);
  const write = (statement: string) => superuser.outsideCompanies((sql) => sql.unsafe(statement));
  await write("update schema_versions set version = 1, oldest = 1");
  const { run, lines, problem } = start({ ...behind.urls, migration: undefined });
  const isUp = run();
  await expect.poll(() => lines).toHaveLength(1);
  expect(lines[0]).toContain("waiting: The database has schema version 1");
  expect(problem()).toBe("DATABASE_UNAVAILABLE");
  await write("update schema_versions set version = 2");
  await isUp;
  expect(problem()).toBeUndefined();
});

it("is complete with a key, and refused once that is another one than the database was sealed with", async () => {
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomKey());
  const first = start();
  await first.run();
  expect(first.problem()).toBeUndefined();
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomKey());
  expect(await httpErrorOf(start().run())).toMatch(
    /not the one that this database was sealed with.*put the right one back/,
  );
});

describe("the URLs of the database", () => {
  const roles = {
    DATABASE_URL: "application",
    DATABASE_MAINTENANCE_URL: "maintenance",
    DATABASE_MIGRATION_URL: "migration",
    DATABASE_LISTENER_URL: "listener",
  } as const;
  const names = [
    "DATABASE_URL",
    "DATABASE_MAINTENANCE_URL",
    "DATABASE_MIGRATION_URL",
    "DATABASE_LISTENER_URL",
  ] as const;
  type Urls = Readonly<Record<(typeof names)[number], string>>;

  function check(change: Partial<Urls> & { readonly DATABASE_SIGN_IN_URL?: string }, runsJobs = true) {
    const { urls } = testDatabase;
    const env = {
      DATABASE_MAX_CONNECTIONS: 10,
      DATABASE_URL: urls.application,
      DATABASE_MAINTENANCE_URL: urls.maintenance,
      DATABASE_MIGRATION_URL: urls.migration,
      DATABASE_LISTENER_URL: urls.listener,
      ...change,
    };
    const lines: string[] = [];
    const unprepared: string[] = [];
    const log = createLog("info", { write: (line) => void lines.push(line) });
    const startUp = createStartUp(log);
    const database = { prepareNothing: (pool: string) => void unprepared.push(pool) };
    const signIn = { prepareNothing: () => void unprepared.push("sign-in") };
    const steps = connectionsCheck({ env, database, signIn, log, runsJobs });
    const run = (signal = never) => startUp.run(steps, signal);
    return { run, lines, unprepared, problem: () => startUp.problem()?.error };
  }

  async function pooled(url: string, tracksStatements: boolean): Promise<string> {
    const pooler = await startTransactionPooler({ url, servers: 3, tracksStatements });
    onTestFinished(() => pooler.stop());
    return pooler.through(url);
  }

  it("are all as they should be, and nothing is said of them", async () => {
    const { run, lines, unprepared } = check({});
    await run();
    expect(lines).toEqual([expect.stringContaining("ready")]);
    expect(unprepared).toEqual([]);
  });

  it.each(names)(
    "%s with a wrong password is refused by its name, and the password is not quoted",
    async (name) => {
      const url = new URL(testDatabase.urls[roles[name]]);
      url.password = "canary";
      const refusal = await httpErrorOf(check({ [name]: url.href }).run());
      expect(refusal).toBe(`${name}: the server does not accept the password of its role (28P01).`);
    },
  );

  it.each(names)(
    "the check waits for an unavailable server of %s, and names it in the log only",
    async (name) => {
      const { run, lines, problem } = check({ [name]: "postgres://nobody:canary@127.0.0.1:1/nowhere" });
      const stopping = new AbortController();
      setTimeout(() => stopping.abort(), 1200);
      await run(stopping.signal);
      expect(problem()?.code).toBe("DATABASE_UNAVAILABLE");
      expect(problem()?.message).not.toContain(name);
      expect(lines.map((line): unknown => JSON.parse(line))).toEqual([
        expect.objectContaining({
          level: "warn",
          msg: `waiting: The server of ${name} cannot be reached (ECONNREFUSED).`,
        }),
      ]);
    },
  );

  it.each([
    { tracksStatements: false, without: ["application"], says: /statements are not prepared/ },
    { tracksStatements: true, without: [], says: /knows prepared statements: they are used/ },
  ])("DATABASE_URL goes through a pooler in transaction mode, which is said: %o", async (kind) => {
    const { run, lines, unprepared } = check({
      DATABASE_URL: await pooled(testDatabase.urls.application, kind.tracksStatements),
    });
    await run();
    expect(unprepared).toEqual(kind.without);
    expect(lines[0]).toMatch(/DATABASE_URL goes through a pooler in transaction mode/);
    expect(lines[0]).toMatch(kind.says);
  });

  it("the sign-in prepares nothing where DATABASE_SIGN_IN_URL goes through a pooler that does not know statements", async () => {
    const { run, unprepared } = check({
      DATABASE_SIGN_IN_URL: await pooled(testDatabase.urls.signIn, false),
    });
    await run();
    expect(unprepared).toEqual(["sign-in"]);
  });

  it("DATABASE_LISTENER_URL through a pooler in transaction mode is refused with what to do", async () => {
    const change = { DATABASE_LISTENER_URL: await pooled(testDatabase.urls.listener, true) };
    expect(await httpErrorOf(check(change).run())).toMatch(
      /^DATABASE_LISTENER_URL goes through a pooler .*no news of changes arrive: give it the address of the server itself/,
    );
  });

  it("DATABASE_MAINTENANCE_URL through a pooler in transaction mode is refused where jobs run, and only there", async () => {
    const change = { DATABASE_MAINTENANCE_URL: await pooled(testDatabase.urls.maintenance, false) };
    expect(await httpErrorOf(check(change).run())).toMatch(/^DATABASE_MAINTENANCE_URL .*set JOBS=none here/);
    const { run, unprepared } = check(change, false);
    await run();
    expect(unprepared).toEqual(["maintenance"]);
  });
});
