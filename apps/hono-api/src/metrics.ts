import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "@prometheus-io/client";
import type { DatabaseCall } from "@repo/db";
import type { JobRun } from "@repo/db/jobs";
import type { InfisicalCall } from "@repo/infisical";
import { sealerAlarms, type SealerAlarm } from "@repo/tenant-secrets";
import { watch, type MetricsSources } from "./watched-metrics.ts";

/** The numbers of this process. No label holds a company, a secret key, or anything that a caller may choose. */
export interface Metrics {
  readonly databaseCall: (call: DatabaseCall) => void;
  readonly infisicalCall: (call: InfisicalCall) => void;
  /** @param route as the routes are written down, or the name of a procedure; never a path */
  request(route: string, status: number, durationMs: number): void;
  readonly jobRun: (run: JobRun) => void;
  /** A batch of the record was sealed here. */
  sealed(): void;
  recordAlarm(code: SealerAlarm["code"]): void;
  inFlight(requests: number): void;
  shed(): void;
  /** From now on what these say is part of the text. Once. */
  watch(sources: MetricsSources): void;
  /** In the text format of Prometheus. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** In seconds: from what is in memory up to the deadlines of what is not. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** In seconds: some jobs look at one row, some go through every company. */
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
    ...described("http_request_duration_seconds", "Requests by route and class of status"),
    labelNames: ["route", "status"],
    buckets,
  });
  const inFlight = new Gauge(described("http_requests_in_flight", "Requests that are not answered yet"));
  const shed = new Counter(described("http_requests_shed_total", "Requests refused because of too many"));
  const databaseCalls = new Histogram({
    ...described("database_call_duration_seconds", "Calls of the database, waiting for it included"),
    labelNames: ["pool", "outcome"],
    buckets,
  });
  const infisicalCalls = new Histogram({
    ...described("infisical_call_duration_seconds", "Calls of Infisical, waiting for it included"),
    labelNames: ["outcome"],
    buckets,
  });
  const jobRuns = new Histogram({
    ...described("job_duration_seconds", "Runs of jobs in this process"),
    labelNames: ["job", "outcome"],
    buckets: jobBuckets,
  });
  const sealed = new Counter(described("record_batches_sealed_total", "Batches of the record sealed here"));
  const alarms = new Counter({
    ...described("record_alarms_total", "Things wrong with the record that were found here"),
    labelNames: ["code"],
  });
  // What was never seen grows from nothing to one unnoticed.
  for (const code of sealerAlarms) alarms.inc({ code }, 0);

  return {
    databaseCall: ({ pool, outcome, durationMs }) =>
      databaseCalls.observe({ pool, outcome }, durationMs / 1000),
    infisicalCall: ({ outcome, durationMs }) => infisicalCalls.observe({ outcome }, durationMs / 1000),
    request: (route, status, durationMs) =>
      requests.observe({ route, status: `${Math.floor(status / 100)}xx` }, durationMs / 1000),
    jobRun: ({ task, outcome, durationMs }) => jobRuns.observe({ job: task, outcome }, durationMs / 1000),
    sealed: () => sealed.inc(),
    recordAlarm: (code) => alarms.inc({ code }),
    inFlight: (count) => inFlight.set(count),
    shed: () => shed.inc(),
    watch: (sources) => watch(registry, sources),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
