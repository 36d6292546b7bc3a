import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "@prometheus-io/client";
import type { DatabaseCall } from "@repo/db";
import type { JobRun } from "@repo/db/jobs";
import type { InfisicalCall } from "@repo/infisical";
import { sealerAlarms, type SealerAlarm } from "@repo/audit-log";
import { registerCollected, type MetricsSources } from "./collected-metrics.ts";

/** The metrics of this process. No label holds a company, a secret key, or a text that a caller chooses. */
export interface Metrics {
  readonly databaseCall: (call: DatabaseCall) => void;
  readonly infisicalCall: (call: InfisicalCall) => void;
  /** @param route the pattern of a route, or the name of a procedure; never a path */
  request(route: string, status: number, durationMs: number): void;
  readonly jobRun: (run: JobRun) => void;
  /** This process sealed a batch of the audit log. */
  sealed(): void;
  readonly countAuditAlarm: (code: SealerAlarm["code"]) => void;
  inFlight(requests: number): void;
  shed(): void;
  /** Adds the metrics whose values these sources hold. Call it once. */
  collect(sources: Omit<MetricsSources, "deliveries">): void;
  /** What this process delivers from now on. */
  collectDeliveries(read: MetricsSources["deliveries"]): void;
  /** In Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** In seconds: from a cache hit (1 ms) to the deadline of a database call (10 s). */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** In seconds: some jobs read one row, others visit every company. */
const jobBuckets = [0.01, 0.1, 1, 10, 60, 300, 1800];

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const described = (name: string, help: string) => ({
    name: `tenant_secrets_${name}`,
    help,
    registers: [registry],
  });

  const requests = new Histogram({
    ...described("http_request_duration_seconds", "HTTP requests by route and status class"),
    labelNames: ["route", "status"],
    buckets,
  });
  const inFlight = new Gauge(described("http_requests_in_flight", "HTTP requests in flight"));
  const shed = new Counter(
    described("http_requests_shed_total", "HTTP requests shed because too many were in flight"),
  );
  const databaseCalls = new Histogram({
    ...described("database_call_duration_seconds", "Database calls, waiting for a connection included"),
    labelNames: ["pool", "outcome"],
    buckets,
  });
  const infisicalCalls = new Histogram({
    ...described("infisical_call_duration_seconds", "Infisical calls, waiting for their turn included"),
    labelNames: ["outcome"],
    buckets,
  });
  const jobRuns = new Histogram({
    ...described("job_duration_seconds", "Job runs in this process"),
    labelNames: ["job", "outcome"],
    buckets: jobBuckets,
  });
  const sealed = new Counter(described("audit_batches_sealed_total", "Audit batches sealed by this process"));
  const alarms = new Counter({
    ...described("audit_alarms_total", "Problems of the audit log found by this process"),
    labelNames: ["code"],
  });
  // rate() needs a series that starts at 0: the first alarm would go unnoticed otherwise.
  for (const code of sealerAlarms) alarms.inc({ code }, 0);

  let deliveries: MetricsSources["deliveries"] = () => ({ delivered: 0, failed: 0, dead: 0 });

  return {
    databaseCall: ({ pool, outcome, durationMs }) =>
      databaseCalls.observe({ pool, outcome }, durationMs / 1000),
    infisicalCall: ({ outcome, durationMs }) => infisicalCalls.observe({ outcome }, durationMs / 1000),
    request: (route, status, durationMs) =>
      requests.observe({ route, status: `${Math.floor(status / 100)}xx` }, durationMs / 1000),
    jobRun: ({ task, outcome, durationMs }) => jobRuns.observe({ job: task, outcome }, durationMs / 1000),
    sealed: () => sealed.inc(),
    countAuditAlarm: (code) => alarms.inc({ code }),
    inFlight: (count) => inFlight.set(count),
    shed: () => shed.inc(),
    collect: (sources) => registerCollected(registry, { ...sources, deliveries: () => deliveries() }),
    collectDeliveries: (read) => {
      deliveries = read;
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
