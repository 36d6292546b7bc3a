import { DatabaseError } from "@repo/db";
import { InfisicalError } from "@repo/infisical";
import { TenantSecretsError } from "@repo/tenant-secrets";
import { expect, it } from "vitest";
import { createReadiness, type ReadinessOptions } from "./readiness.ts";

const good: ReadinessOptions = {
  database: { check: async () => {} },
  infisical: { ping: async () => {}, state: () => "closed", troubles: () => [] },
  startUp: { problem: () => undefined },
  hears: () => true,
};
const problem = { error: new TenantSecretsError("KEY_UNAVAILABLE", "Starting."), masterKey: "Not loaded." };
const databaseAway = { check: () => Promise.reject(new DatabaseError("unavailable", "ECONNREFUSED")) };
const infisicalAway = { ...good.infisical, ping: () => Promise.reject(new InfisicalError("UNREACHABLE")) };

const cases: readonly (readonly [string, string, Partial<ReadinessOptions>])[] = [
  ["ready", "everything is there", {}],
  [
    "ready",
    "the circuit breaker tries again",
    { infisical: { ...good.infisical, state: () => "half-open" } },
  ],
  ["degraded", "Infisical is away", { infisical: infisicalAway }],
  ["degraded", "the circuit breaker is open", { infisical: { ...good.infisical, state: () => "open" } }],
  [
    "degraded",
    "Infisical answers, and denies a right",
    { infisical: { ...good.infisical, troubles: () => ["The machine identity may not do this."] } },
  ],
  ["degraded", "no news arrive", { hears: () => false }],
  ["degraded", "Infisical is away and no news arrive", { infisical: infisicalAway, hears: () => false }],
  ["unavailable", "the database is away", { database: databaseAway }],
  [
    "unavailable",
    "everything is away",
    { database: databaseAway, infisical: infisicalAway, hears: () => false },
  ],
  ["starting", "the start is not complete", { startUp: { problem: () => problem } }],
  [
    "starting",
    "the database was never there",
    { startUp: { problem: () => problem }, database: databaseAway },
  ],
];
it.each(cases)("is %s when %s, and says what is wrong", async (status, _, changed) => {
  const report = await createReadiness({ ...good, ...changed })();
  expect(report.status).toBe(status);
  const wrong = Object.values(report.checks).filter((check) => check !== "ok");
  expect(wrong.length).toBe(status === "ready" ? 0 : Object.keys(changed).length);
  for (const sentence of wrong) expect(sentence).toMatch(/^[A-Z].{9,}/);
});
