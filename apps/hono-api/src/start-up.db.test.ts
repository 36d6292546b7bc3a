import { randomBytes } from "node:crypto";
import { connectDatabase, type Database } from "@repo/db";
import { createTestDatabase, type TestDatabase } from "@repo/db/testing";
import { createInfisicalClient, type InfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator, type InfisicalEmulator } from "@repo/infisical/emulator";
import { createTenantSecrets, deliveryChatCatalog } from "@repo/tenant-secrets";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createLog } from "./log.ts";
import { createStartUp, prepareToServe, StartRefused } from "./start-up.ts";

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

/** A start of a process of its own: nothing loaded yet. */
function start(applicationUrl = testDatabase.urls.application) {
  const database = connectDatabase({ applicationUrl, maintenanceUrl: testDatabase.urls.maintenance });
  connections.push(database);
  const secrets = createTenantSecrets({ database, infisical, catalog: deliveryChatCatalog });
  const lines: string[] = [];
  const startUp = createStartUp(createLog("info", { write: (line) => void lines.push(line) }));
  const steps = () => prepareToServe(database, secrets, testDatabase.urls.migration);
  return {
    lines,
    problem: () => startUp.problem()?.error.code,
    run: (signal = never) => startUp.run(steps, signal),
  };
}

async function refusalOf(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof StartRefused) return error.message;
  throw new Error("was not refused", { cause: error });
}

it("is refused when row-level security does not bind the database's role, and nothing is served", async () => {
  const { run, problem } = start(testDatabase.superuserUrl);
  expect(await refusalOf(run())).toMatch(/is a superuser.*Connect as tenant_secrets_application/);
  expect(problem()).toBe("KEY_UNAVAILABLE");
});

it("is refused when the database does not accept the password, without quoting it", async () => {
  const url = new URL(testDatabase.urls.application);
  url.password = "canary";
  expect(await refusalOf(start(url.href).run())).toBe("The start failed: database error 28P01.");
});

it("waits while the database is away, says so once, and ends when it is told to", async () => {
  const { run, lines, problem } = start("postgres://nobody:canary@127.0.0.1:1/nowhere");
  const stopping = new AbortController();
  setTimeout(() => stopping.abort(), 1500);
  await run(stopping.signal);
  expect(problem()).toBe("DATABASE_UNAVAILABLE");
  expect(lines.map((line): unknown => JSON.parse(line))).toEqual([
    expect.objectContaining({ level: "warn", msg: expect.stringContaining("database cannot be reached") }),
  ]);
});

it("is complete with a key, and refused once that is another one than the database was sealed with", async () => {
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomKey());
  const first = start();
  await first.run();
  expect(first.problem()).toBeUndefined();
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomKey());
  expect(await refusalOf(start().run())).toMatch(
    /not the one that this database was sealed with.*put the right one back/,
  );
});
