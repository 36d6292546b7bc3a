import { Counter, Gauge, type Registry } from "@prometheus-io/client";
import type { Database } from "@repo/db";
import type { TenantSecrets } from "@repo/tenant-secrets";
import type { BreakerState } from "@repo/infisical";
import type { DeliveryChatCatalog } from "./company.ts";

const breakerStates: readonly BreakerState[] = ["closed", "open", "half-open"];

/** What is looked at each time that somebody asks for the metrics. */
export interface MetricsSources {
  readonly database: Pick<Database, "pending">;
  readonly secrets: Pick<TenantSecrets<DeliveryChatCatalog>, "measurements">;
  readonly breaker: () => BreakerState;
  /** Whether news of what other processes change arrive. */
  readonly hears: () => boolean;
}

/** Puts what others count, or are at the moment, among the metrics. */
export function watch(registry: Registry, { database, secrets, breaker, hears }: MetricsSources): void {
  const { gauge, counter, gaugeBy, counterBy } = within(registry);
  const cache = () => secrets.measurements().cache;

  counterBy("cache_hits_total", "Reads that no store was asked for, by what the cache had", "kind", () => ({
    value: cache().hits,
    absent: cache().absentHits,
    stale: cache().staleHits,
  }));
  counter("cache_misses_total", "Reads that a store was asked for", () => cache().misses);
  counter("cache_joined_total", "Reads that waited for what another one had asked for", () => cache().joined);
  counter(
    "cache_invalidations_total",
    "Times that something was forgotten as changed",
    () => cache().invalidations,
  );
  counter("cache_evictions_total", "Secrets that were forgotten to make room", () => cache().evictions);
  gauge("cache_entries", "Secrets in the cache", () => cache().entries);
  gauge("cache_size_bytes", "Bytes in the cache", () => cache().bytes);
  counterBy("adoptions_total", "Values that a hybrid company had in Infisical only", "outcome", () => {
    const { adopted, refreshed, failed } = secrets.measurements().adoption;
    return { adopted, refreshed, failed };
  });
  counter(
    "expired_reads_total",
    "Values that were read after they had expired",
    () => secrets.measurements().expiredReads,
  );
  counter(
    "audit_events_lost_total",
    "Events of the audit log that the database refused for what was in them",
    () => secrets.measurements().eventsLost,
  );
  gauge("database_calls_pending", "Calls of the database that are not done", () => database.pending());
  gauge("notifications_arriving", "1 while news of what other processes change arrive", () =>
    Number(hears()),
  );
  gaugeBy("infisical_breaker", "1 for the state that the circuit breaker is in", "state", () => {
    const now = breaker();
    return Object.fromEntries(breakerStates.map((state) => [state, Number(state === now)]));
  });
}

type ReadOne = () => number;
/** By the label's value; always the same few. */
type ReadMany = () => Readonly<Record<string, number>>;

function within(registry: Registry) {
  const described = (name: string, help: string) => ({
    name: `tenant_secrets_${name}`,
    help,
    registers: [registry],
  });

  function gauge(name: string, help: string, read: ReadOne): void {
    const metric: Gauge = new Gauge({ ...described(name, help), collect: () => metric.set(read()) });
  }

  function gaugeBy(name: string, help: string, label: string, read: ReadMany): void {
    const metric: Gauge<string> = new Gauge<string>({
      ...described(name, help),
      labelNames: [label],
      collect: () => {
        for (const [value, number] of Object.entries(read())) metric.set({ [label]: value }, number);
      },
    });
  }

  // A counter can only be added to: what was counted elsewhere replaces what it had.
  function counter(name: string, help: string, read: ReadOne): void {
    const metric: Counter = new Counter({
      ...described(name, help),
      collect: () => {
        metric.reset();
        metric.inc(read());
      },
    });
  }

  function counterBy(name: string, help: string, label: string, read: ReadMany): void {
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
