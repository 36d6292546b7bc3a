import { expect, it, onTestFinished } from "vitest";
import { send, sendJson } from "../testing/raw-http.ts";
import { startApi } from "../testing/fixture.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { serveMetrics } from "./metrics-server.ts";
import type { MetricsSources } from "./collected-metrics.ts";

const nothing = {
  cache: {
    hits: 1,
    negativeHits: 2,
    staleHits: 3,
    misses: 4,
    joined: 5,
    invalidations: 6,
    evictions: 7,
    entries: 8,
    bytes: 9,
  },
  backfill: { backfilled: 10, refreshed: 11, failed: 12 },
  shadowReads: { equal: 16, differs: 17, missing: 18, failed: 19 },
  copies: { reads: { eu: 41 }, ageSeconds: { eu: 1.5 } },
  expiredReads: 14,
  eventsLost: 15,
  externalKeyFailures: { denied: 51, wrong: 52, unavailable: 53 },
};

const sources: Omit<MetricsSources, "deliveries"> = {
  database: { pending: () => 13 },
  secrets: { measurements: () => nothing },
  breaker: () => "half-open",
  state: () => "stopping",
  isListening: () => false,
  mirrorLag: () => Promise.resolve({ companies: 20, seconds: 21 }),
  webhooks: () =>
    Promise.resolve({ lagSeconds: 22, endpoints: { unverified: 23, active: 24, paused: 25, disabled: 26 } }),
  clock: () => Promise.resolve(-40),
  regions: () => Promise.resolve([{ region: "us", faults: ["slot-lost", "late"], walBytes: 36 }]),
  rotations: () =>
    Promise.resolve({
      policies: { active: 30, paused: 31, stuck: 32 },
      overdueSeconds: 33,
      runs: { working: 34, person: 35, stopped: 36 },
      orphans: 37,
    }),
  deletions: () => Promise.resolve({ scheduled: 42, overdue: 43 }),
  retention: () => Promise.resolve({ "prune-runs": { due: 38, seconds: 39 } }),
};

/** The samples of ours, without those of the bounds of histograms. */
async function samplesOf(metrics: Metrics): Promise<string[]> {
  const lines = (await metrics.text()).split("\n");
  return lines.filter((line) => line.startsWith("tenant_secrets_") && !line.includes("_bucket{"));
}

it("the metrics export recorded values, and collect gauges at each scrape", async () => {
  const metrics = createMetrics();
  metrics.collect(sources);
  metrics.collectDeliveries(() => ({ delivered: 27, failed: 28, dead: 29 }));
  metrics.request("/api/payments/create", 201, 20);
  metrics.request("/api/payments/create", 503, 30);
  metrics.jobRun({ task: "reencrypt-company", outcome: "done", durationMs: 250 });
  metrics.jobRun({ task: "reencrypt-company", outcome: "failed", durationMs: 500 });
  metrics.sealed();
  metrics.countAuditAlarm("AUDIT_CHANGED");
  metrics.inFlight(2);
  metrics.shed();
  metrics.databaseCall({ pool: "maintenance", outcome: "unavailable", durationMs: 1500 });
  metrics.infisicalCall({ operation: "findSecret", outcome: "TIMEOUT", durationMs: 5000 });
  const expected = [
    'http_request_duration_seconds_sum{route="/api/payments/create",status="2xx"} 0.02',
    'http_request_duration_seconds_count{route="/api/payments/create",status="2xx"} 1',
    'http_request_duration_seconds_sum{route="/api/payments/create",status="5xx"} 0.03',
    'http_request_duration_seconds_count{route="/api/payments/create",status="5xx"} 1',
    "http_requests_in_flight 2",
    "http_requests_shed_total 1",
    'database_call_duration_seconds_sum{pool="maintenance",outcome="unavailable"} 1.5',
    'database_call_duration_seconds_count{pool="maintenance",outcome="unavailable"} 1',
    'infisical_call_duration_seconds_sum{outcome="TIMEOUT"} 5',
    'infisical_call_duration_seconds_count{outcome="TIMEOUT"} 1',
    'job_duration_seconds_sum{job="reencrypt-company",outcome="done"} 0.25',
    'job_duration_seconds_count{job="reencrypt-company",outcome="done"} 1',
    'job_duration_seconds_sum{job="reencrypt-company",outcome="failed"} 0.5',
    'job_duration_seconds_count{job="reencrypt-company",outcome="failed"} 1',
    "audit_batches_sealed_total 1",
    'audit_alarms_total{code="AUDIT_CHANGED"} 1',
    'audit_alarms_total{code="AUDIT_RESTORED"} 0',
    'audit_alarms_total{code="AUDIT_FAILED_OVER"} 0',
    'audit_alarms_total{code="AUDIT_LAGS"} 0',
    'audit_alarms_total{code="AUDIT_NOT_SEALED"} 0',
    'cache_hits_total{kind="value"} 1',
    'cache_hits_total{kind="absent"} 2',
    'cache_hits_total{kind="stale"} 3',
    "cache_misses_total 4",
    "cache_joined_total 5",
    "cache_invalidations_total 6",
    "cache_evictions_total 7",
    "cache_entries 8",
    "cache_size_bytes 9",
    'backfills_total{outcome="backfilled"} 10',
    'backfills_total{outcome="refreshed"} 11',
    'backfills_total{outcome="failed"} 12',
    'shadow_reads_total{outcome="equal"} 16',
    'shadow_reads_total{outcome="differs"} 17',
    'shadow_reads_total{outcome="missing"} 18',
    'shadow_reads_total{outcome="failed"} 19',
    'copy_reads_total{home="eu"} 41',
    'copy_age_seconds{home="eu"} 1.5',
    "mirror_lag_seconds 21",
    "mirror_companies_behind 20",
    'webhook_deliveries_total{outcome="delivered"} 27',
    'webhook_deliveries_total{outcome="failed"} 28',
    'webhook_deliveries_total{outcome="dead"} 29',
    "webhook_lag_seconds 22",
    'webhook_endpoints{state="unverified"} 23',
    'webhook_endpoints{state="active"} 24',
    'webhook_endpoints{state="paused"} 25',
    'webhook_endpoints{state="disabled"} 26',
    "clock_offset_seconds -40",
    'rotation_policies{state="active"} 30',
    'rotation_policies{state="paused"} 31',
    'rotation_policies{state="stuck"} 32',
    "rotation_overdue_seconds 33",
    'rotation_runs{state="working"} 34',
    'rotation_runs{state="person"} 35',
    'rotation_runs{state="stopped"} 36',
    "rotation_orphans 37",
    'region_faults{region="us"} 2',
    'region_wal_bytes{region="us"} 36',
    'company_deletions{state="scheduled"} 42',
    'company_deletions{state="overdue"} 43',
    'retention_due{job="prune-runs"} 38',
    'retention_overdue_seconds{job="prune-runs"} 39',
    "expired_reads_total 14",
    "audit_events_lost_total 15",
    'external_key_failures_total{fault="denied"} 51',
    'external_key_failures_total{fault="wrong"} 52',
    'external_key_failures_total{fault="unavailable"} 53',
    "database_calls_pending 13",
    "notifications_up 0",
    'infisical_breaker{state="closed"} 0',
    'infisical_breaker{state="open"} 0',
    'infisical_breaker{state="half-open"} 1',
    'process_state{state="starting"} 0',
    'process_state{state="serving"} 0',
    'process_state{state="stopping"} 1',
  ].map((line) => `tenant_secrets_${line}`);
  expect(await samplesOf(metrics)).toEqual(expected);
  // Looking changes nothing.
  expect(await samplesOf(metrics)).toEqual(expected);
});

it("has one series for all paths that lead nowhere, and none that a caller names", async () => {
  const { url, metrics } = await startApi();
  for (let i = 0; i < 20; i++) {
    await send(url, { path: `/a-canary-${i}` });
    await sendJson(url, { path: `/trpc/a-canary-${i}`, body: {} });
    await sendJson(url, {
      path: `/trpc/secrets.list,a-canary-${i}?batch=1`,
      body: {},
      headers: { host: `a-canary-${i}.localhost` },
    });
  }
  await sendJson(url, { path: "/trpc/secrets.read", body: {} });
  await sendJson(url, { path: "/trpc/constructor", body: {} });
  const text = await metrics.text();
  const routes = text.matchAll(/^tenant_secrets_http_request_duration_seconds_count\{route="([^"]+)"/gm);
  expect(new Set([...routes].map(([, route]) => route))).toEqual(
    new Set(["/*", "/trpc/*", "/trpc/secrets.read"]),
  );
  expect(text).not.toContain("canary");
});

it("the metrics are on a port of their own, which has nothing else, and on the API's port there are none", async () => {
  const { url, metrics } = await startApi();
  const server = await serveMetrics(metrics, "127.0.0.1", 0);
  onTestFinished(() => server.stop(0));
  const answer = await send(server.url, { path: "/metrics" });
  expect([answer.status, answer.headers["content-type"], answer.headers["cache-control"]]).toEqual([
    200,
    expect.stringMatching(/^text\/plain; version=/),
    "no-store",
  ]);
  expect(answer.body).toContain("# TYPE tenant_secrets_http_request_duration_seconds histogram");
  expect((await send(url, { path: "/metrics" })).status).toBe(404);
  for (const path of ["/", "/healthz", "/readyz", "/trpc/secrets.read", "/metrics/"]) {
    expect((await send(server.url, { path })).status, path).toBe(404);
  }
  expect((await sendJson(server.url, { path: "/metrics", body: {} })).status).toBe(404);
  const port = Number(new URL(server.url).port);
  await expect(serveMetrics(metrics, "127.0.0.1", port)).rejects.toThrow(
    `Port ${port} of 127.0.0.1 is taken: set METRICS_PORT to a free one.`,
  );
});
