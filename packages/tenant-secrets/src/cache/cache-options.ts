import type { Bounds } from "./fair-lru.ts";
import type { CacheTtl } from "./cache.ts";

/** What a deployment may set of its cache. Times are milliseconds. */
export type CacheOptions = Partial<CacheTtl & Bounds>;

export const defaultCache: CacheTtl & Bounds = {
  /** 5 minutes: how long a process that misses a notification serves the value before. */
  ttlMs: 300_000,
  /** 10 seconds: how long a secret that was created in Infisical itself, which sends no notification, stays NOT_FOUND. */
  negativeTtlMs: 10_000,
  /** 1 hour: how long cached secrets outlast an outage of PostgreSQL or Infisical. */
  staleIfErrorMs: 3_600_000,
  maxEntries: 50_000,
  /** 64 MiB, of encrypted values with what is stored beside each. */
  maxBytes: 64 * 1024 * 1024,
};
