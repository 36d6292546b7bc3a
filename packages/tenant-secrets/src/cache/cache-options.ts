import type { Bounds } from "./fair-lru.ts";
import type { Keeping } from "./cache.ts";

/** Times in milliseconds. */
export type CacheOptions = Partial<Keeping & Bounds>;

/** What a notification that is lost costs; how soon what somebody makes in Infisical is seen; and how long an outage is lived through. */
export const defaultCache: Keeping & Bounds = {
  freshMs: 300_000,
  absentMs: 10_000,
  staleMs: 3_600_000,
  maxEntries: 50_000,
  maxBytes: 64 * 1024 * 1024,
};
