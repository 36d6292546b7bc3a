import { DatabaseError } from "@repo/db";
import { InfisicalError } from "@repo/infisical";
import { TenantSecretsError } from "@repo/tenant-secrets";
import { expect, it } from "vitest";
import { createReadiness, type ReadinessOptions } from "./readiness.ts";

const good: ReadinessOptions = {
  database: { check: async () => {} },
  infisical: { ping: async () => {}, state: () => "closed", troubles: () => [] },
  startUp: { problem: () => undefined },
  isStopping: () => false,
  isListening: () => true,
  regions: async () => [{ region: "us", faults: [] }],
};
const problem = { error: new TenantSecretsError("KEY_UNAVAILABLE", "Starting."), masterKey: "Not loaded." };
const databaseUnavailable = { check: () => Promise.reject(new DatabaseError("unavailable", "ECONNREFUSED")) };
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
