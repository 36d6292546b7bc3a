import { DatabaseError } from "@repo/db";
import { InfisicalError } from "@repo/infisical";
import { TenantSecretsError } from "@repo/tenant-secrets";
import { expect, it } from "vitest";
import { createReadiness, type ReadinessOptions } from "./readiness.ts";

const good: ReadinessOptions = {
  database: { check: async () => {}, checkWrites: async () => {} },
  signIn: { checkWrites: async () => {} },
  infisical: { ping: async () => {}, state: () => "closed", troubles: () => [] },
  startUp: { problem: () => undefined },
  isStopping: () => false,
  isListening: () => true,
  areJobsRunning: () => true,
  regions: async () => [{ region: "us", faults: [] }],
};
const problem = { error: new TenantSecretsError("KEY_UNAVAILABLE", "Starting."), masterKey: "Not loaded." };
const databaseUnavailable = {
  ...good.database,
  check: () => Promise.reject(new DatabaseError("unavailable", "ECONNREFUSED")),
};
const fails = () => Promise.reject(new DatabaseError("unavailable", "25006"));
const failsFor = (one: string) => ({
  ...good.database,
  checkWrites: (pool: string) => (pool === one ? fails() : Promise.resolve()),
});
const infisicalUnavailable = {
  ...good.infisical,
  ping: () => Promise.reject(new InfisicalError("UNREACHABLE")),
};

const cases: readonly (readonly [string, string, Partial<ReadinessOptions>])[] = [
  ["ready", "everything is there", {}],
  [
    "ready",
    "the circuit breaker tries again",
    { infisical: { ...good.infisical, state: () => "half-open" } },
  ],
  ["degraded", "Infisical is unavailable", { infisical: infisicalUnavailable }],
  ["degraded", "the circuit breaker is open", { infisical: { ...good.infisical, state: () => "open" } }],
  [
    "degraded",
    "Infisical answers, and denies a right",
    { infisical: { ...good.infisical, troubles: () => ["The machine identity may not do this."] } },
  ],
  ["degraded", "no news arrive", { isListening: () => false }],
  ["degraded", "jobs do not run", { areJobsRunning: () => false }],
  ["degraded", "the maintenance role cannot write", { database: failsFor("maintenance") }],
  ["degraded", "people cannot sign in", { signIn: { checkWrites: fails } }],
  ["unavailable", "the application cannot write", { database: failsFor("application") }],
  [
    "degraded",
    "copies do not get to another region",
    { regions: async () => [{ region: "us", faults: ["slot-lost"] }] },
  ],
  [
    "degraded",
    "Infisical is unavailable and no notifications arrive",
    { infisical: infisicalUnavailable, isListening: () => false },
  ],
  ["unavailable", "the database is unavailable", { database: databaseUnavailable }],
  [
    "unavailable",
    "everything is unavailable",
    { database: databaseUnavailable, infisical: infisicalUnavailable, isListening: () => false },
  ],
  ["starting", "the start is not complete", { startUp: { problem: () => problem } }],
  [
    "starting",
    "the database was never there",
    { startUp: { problem: () => problem }, database: databaseUnavailable },
  ],
];
it.each(cases)("readiness is %s when %s, and names the problems", async (status, _, changed) => {
  const report = await createReadiness({ ...good, ...changed })();
  expect(report.status).toBe(status);
  const wrong = Object.values(report.checks).filter((check) => check !== "ok");
  expect(wrong.length).toBe(status === "ready" ? 0 : Object.keys(changed).length);
  for (const sentence of wrong) expect(sentence).toMatch(/^[A-Z].{9,}/);
});

it("a part that a process does not have is no part of what it checks", async () => {
  const { checks } = await createReadiness({ ...good, signIn: undefined, areJobsRunning: undefined })();
  expect(Object.keys(checks).toSorted()).toEqual(
    ["database", "infisical", "maintenance", "masterKey", "notifications", "regions"].toSorted(),
  );
});

it("a server that takes no writes is told by its variable", async () => {
  const { checks } = await createReadiness({ ...good, database: failsFor("application") })();
  expect(checks.database).toBe(
    "The database takes no writes: it is a standby, or was made read-only (DATABASE_URL).",
  );
});

it("a process that stops is not ready at once, whatever its servers do, with the last results of its checks", async () => {
  let isStopping = false;
  let look = (): Promise<string | undefined> => Promise.resolve(undefined);
  const readiness = createReadiness({
    ...good,
    database: { ...good.database, check: () => look() },
    isStopping: () => isStopping,
  });
  expect((await readiness()).status).toBe("ready");
  isStopping = true;
  look = () => new Promise(() => {});
  expect(await readiness()).toMatchObject({ status: "stopping", checks: { database: "ok" } });
});
