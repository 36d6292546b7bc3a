import { Counter, Gauge, type Registry } from "@prometheus-io/client";
import type { Database } from "@repo/db";
import type { Catalog, TenantSecrets } from "@repo/tenant-secrets";
import type { BreakerState } from "@repo/infisical";

const processStates = ["starting", "serving", "stopping"] as const;
const breakerStates: readonly BreakerState[] = ["closed", "open", "half-open"];

interface WebhookMeasurements {
  readonly lagSeconds: number;
  readonly endpoints: Readonly<Record<string, number>>;
}

interface RotationMeasurements {
  readonly policies: Readonly<Record<string, number>>;
  readonly overdueSeconds: number;
  readonly runs: Readonly<Record<string, number>>;
  readonly orphans: number;
}

interface DeletionMeasurements {
  readonly scheduled: number;
  readonly overdue: number;
}

interface RegionMeasurements {
  readonly region: string;
  readonly faults: readonly string[];
  readonly walBytes: number;
}

/** Values that are read at each scrape. */
export interface MetricsSources {
  readonly database: Pick<Database, "pending">;
  readonly secrets: Pick<TenantSecrets<Catalog>, "measurements">;
  readonly breaker: () => BreakerState;
  /** `serving` once the start is complete, until the process is told to stop. */
  readonly state: () => (typeof processStates)[number];
  /** Whether notifications of other processes arrive. */
  readonly isListening: () => boolean;
  /** How far the mirrors of companies are behind, by the database. */
  readonly mirrorLag: () => Promise<{ readonly companies: number; readonly seconds: number }>;
  /** How far deliveries of webhooks are behind, and the endpoints by their state, by the database. */
  readonly webhooks: () => Promise<WebhookMeasurements>;
  /** By how many seconds the clock of this process is ahead of the database's. */
  readonly clock: () => Promise<number>;
  /** How copies fare between this region and others, by the database. */
  readonly regions: () => Promise<readonly RegionMeasurements[]>;
  /** How rotations are doing, by the database. */
  readonly rotations: () => Promise<RotationMeasurements>;
  /** How many companies are being deleted, by the database. */
  readonly deletions: () => Promise<DeletionMeasurements>;
  /** What the jobs have to delete, by the name of the job, by the database. */
  readonly retention: () => Promise<
    Readonly<Record<string, { readonly due: number; readonly seconds: number }>>
  >;
  /** What this process has delivered. */
  readonly deliveries: () => Readonly<Record<"delivered" | "failed" | "dead", number>>;
}

/** Registers metrics whose values other modules hold. */
export function registerCollected(
  registry: Registry,
  {
    database,
    secrets,
    breaker,
    state,
    isListening,
    mirrorLag,
    webhooks,
    clock,
    rotations,
    regions,
    deletions,
    retention,
    deliveries,
  }: MetricsSources,
): void {
  const { gauge, counter, gaugeBy, counterBy } = within(registry);
  const cache = () => secrets.measurements().cache;

  counterBy("cache_hits_total", "Reads that the cache answered, by kind of entry", {
    label: "kind",
    read: () => ({ value: cache().hits, absent: cache().negativeHits, stale: cache().staleHits }),
  });
  counter("cache_misses_total", "Reads that a store answered", () => cache().misses);
  counter("cache_joined_total", "Reads that joined the request of another read", () => cache().joined);
  counter("cache_invalidations_total", "Invalidations by changes", () => cache().invalidations);
  counter("cache_evictions_total", "Secrets evicted to make room", () => cache().evictions);
  gauge("cache_entries", "Secrets in the cache", () => cache().entries);
  gauge("cache_size_bytes", "Bytes in the cache", () => cache().bytes);
  counterBy("backfills_total", "Values of hybrid companies that only Infisical had", {
    label: "outcome",
    read: () => {
      const { backfilled, refreshed, failed } = secrets.measurements().backfill;
      return { backfilled, refreshed, failed };
    },
  });
  counterBy("shadow_reads_total", "Served values compared with Infisical, by outcome", {
    label: "outcome",
    read: () => ({ ...secrets.measurements().shadowReads }),
  });
  counterBy(
    "copy_reads_total",
    "Answers from copies of companies that are at home elsewhere, by their home",
    {
      label: "home",
      read: () => secrets.measurements().copies.reads,
    },
  );
  gaugeBy("copy_age_seconds", "How old the copies that were read can be, by their home", {
    label: "home",
    read: () => secrets.measurements().copies.ageSeconds,
  });
  const lag = sharedFor(sharedMs, {
    read: mirrorLag,
    otherwise: { companies: Number.NaN, seconds: Number.NaN },
  });
  gauge(
    "mirror_lag_seconds",
    "Age of the oldest change that a mirror lacks",
    async () => (await lag()).seconds,
  );
  gauge(
    "mirror_companies_behind",
    "Companies whose mirror lacks a change",
    async () => (await lag()).companies,
  );
  const measured = sharedFor(sharedMs, {
    read: webhooks,
    otherwise: { lagSeconds: Number.NaN, endpoints: {} },
  });
  counterBy("webhook_deliveries_total", "Attempts to deliver webhooks by outcome, and deliveries given up", {
    label: "outcome",
    read: deliveries,
  });
  gauge(
    "webhook_lag_seconds",
    "How long the delivery of a webhook has been due that has been due for longest",
    async () => (await measured()).lagSeconds,
  );
  gaugeBy("webhook_endpoints", "Webhook endpoints by their state", {
    label: "state",
    read: async () => (await measured()).endpoints,
  });
  gauge(
    "clock_offset_seconds",
    "How far the clock of this process is ahead of the database's",
    sharedFor(sharedMs, { read: clock, otherwise: Number.NaN }),
  );
  const rotating = sharedFor(sharedMs, {
    read: rotations,
    otherwise: { policies: {}, overdueSeconds: Number.NaN, runs: {}, orphans: Number.NaN },
  });
  gaugeBy("rotation_policies", "Policies of rotations by their state", {
    label: "state",
    read: async () => (await rotating()).policies,
  });
  gauge(
    "rotation_overdue_seconds",
    "How long the rotation has been due that has been due for longest",
    async () => (await rotating()).overdueSeconds,
  );
  gaugeBy("rotation_runs", "Rotations that are not over, by what they wait for", {
    label: "state",
    read: async () => (await rotating()).runs,
  });
  gauge(
    "rotation_orphans",
    "Credentials that may be left at a provider",
    async () => (await rotating()).orphans,
  );
  const looked = sharedFor(sharedMs, { read: regions, otherwise: [] });
  gaugeBy("region_faults", "What is wrong with copies between this region and another one", {
    label: "region",
    read: async () =>
      Object.fromEntries((await looked()).map(({ region, faults }) => [region, faults.length])),
  });
  gaugeBy("region_wal_bytes", "Bytes of WAL that are kept for another region", {
    label: "region",
    read: async () => Object.fromEntries((await looked()).map(({ region, walBytes }) => [region, walBytes])),
  });
  const deleting = sharedFor(sharedMs, {
    read: deletions,
    otherwise: { scheduled: Number.NaN, overdue: Number.NaN },
  });
  gaugeBy("company_deletions", "Companies that are being deleted, by whether their date has passed", {
    label: "state",
    read: async () => ({ ...(await deleting()) }),
  });
  const retained = sharedFor(retentionSharedMs, { read: retention, otherwise: {} });
  const ofJobs = async (read: (of: { readonly due: number; readonly seconds: number }) => number) =>
    Object.fromEntries(Object.entries(await retained()).map(([job, of]) => [job, read(of)]));
  gaugeBy("retention_due", "Rows that a job has to delete, by job", {
    label: "job",
    read: () => ofJobs(({ due }) => due),
  });
  gaugeBy(
    "retention_overdue_seconds",
    "How long the row has been due that has been due for longest, by job",
    {
      label: "job",
      read: () => ofJobs(({ seconds }) => seconds),
    },
  );
  counter(
    "expired_reads_total",
    "Reads of values past their expiry",
    () => secrets.measurements().expiredReads,
  );
  counter(
    "audit_events_lost_total",
    "Audit events that the database rejected for their content",
    () => secrets.measurements().eventsLost,
  );
  counterBy("external_key_failures_total", "Calls to companies' own keys that failed", {
    label: "fault",
    read: () => secrets.measurements().externalKeyFailures,
  });
  gauge("database_calls_pending", "Database calls in flight", () => database.pending());
  gauge("notifications_up", "1 while notifications of other processes arrive", () => Number(isListening()));
  gaugeBy("infisical_breaker", "1 for the current state of the circuit breaker", {
    label: "state",
    read: () => oneOf(breakerStates, breaker()),
  });
  gaugeBy("process_state", "1 for the current state of the process", {
    label: "state",
    read: () => oneOf(processStates, state()),
  });
}

/** 1 for the current one of all states, and 0 for the others. */
function oneOf(states: readonly string[], current: string): ByValue {
  return Object.fromEntries(states.map((state) => [state, Number(state === current)]));
}

type ReadOne = () => number;
type ReadLater = () => Promise<number>;
type ByValue = Readonly<Record<string, number>>;
interface ByLabel<Read extends ByValue | Promise<ByValue> = ByValue> {
  readonly label: string;
  /** Values by the label's value; the same few at each scrape. */
  readonly read: () => Read;
}

/** The metrics of a scrape get the same answer. */
const sharedMs = 1000;

/** Longer where the answer takes an index of all replaced versions, and the jobs run once an hour. */
const retentionSharedMs = 300_000;

/** An answer that is shared for a while. Where there is none, the scrape goes on with `otherwise`. */
function sharedFor<T>(
  ms: number,
  { read, otherwise }: { readonly read: () => Promise<T>; readonly otherwise: T },
): () => Promise<T> {
  let last: Promise<T> | undefined;
  let askedAt = -Infinity;
  return () => {
    if (last === undefined || performance.now() - askedAt > ms) {
      askedAt = performance.now();
      last = read().catch(() => otherwise);
    }
    return last;
  };
}

function within(registry: Registry) {
  const described = (name: string, help: string) => ({
    name: `tenant_secrets_${name}`,
    help,
    registers: [registry],
  });

  function gauge(name: string, help: string, read: ReadOne | ReadLater): void {
    const metric: Gauge = new Gauge({
      ...described(name, help),
      collect: () => {
        const now = read();
        return typeof now === "number" ? metric.set(now) : now.then((value) => metric.set(value));
      },
    });
  }

  function gaugeBy(name: string, help: string, { label, read }: ByLabel<ByValue | Promise<ByValue>>): void {
    const metric: Gauge<string> = new Gauge<string>({
      ...described(name, help),
      labelNames: [label],
      collect: async () => {
        for (const [value, number] of Object.entries(await read())) metric.set({ [label]: value }, number);
      },
    });
  }

  // A Counter can only be incremented: the total of another module replaces its value.
  function counter(name: string, help: string, read: ReadOne): void {
    const metric: Counter = new Counter({
      ...described(name, help),
      collect: () => {
        metric.reset();
        metric.inc(read());
      },
    });
  }

  function counterBy(name: string, help: string, { label, read }: ByLabel): void {
    const metric: Counter<string> = new Counter<string>({
      ...described(name, help),
      labelNames: [label],
      collect: () => {
        metric.reset();
        for (const [value, number] of Object.entries(read())) metric.inc({ [label]: value }, number);
      },
    });
  }

  return { gauge, gaugeBy, counter, counterBy };
}
