import type { Bounds } from "./fair-lru.ts";
import type { CacheTtl } from "./cache.ts";

/** Times in milliseconds. */
export type CacheOptions = Partial<CacheTtl & Bounds>;

/** What a notification that is lost costs; how soon what somebody makes in Infisical is seen; and how long an outage is lived through. */
export const defaultCache: CacheTtl & Bounds = {
  ttlMs: 300_000,
  negativeTtlMs: 10_000,
  staleIfErrorMs: 3_600_000,
  maxEntries: 50_000,
  maxBytes: 64 * 1024 * 1024,
};
