import { isDatabaseUnavailable, isStoreUnavailable } from "@repo/audit-log";
import type { Bounds } from "../cache/fair-lru.ts";
import {
  createCache,
  type CacheMeasurements,
  type CacheTtl,
  type Cache,
  type CacheKey,
} from "../cache/cache.ts";
import type { Company } from "../companies/companies.ts";
import type { EncryptedSecret } from "../stores/encrypted-secret.ts";
import type { ActiveVersions } from "../stores/store.ts";

/** Encrypted secrets of companies, cached while the process receives change notifications. */
export interface SecretCache {
  /** Current versions. */
  readonly current: Cache<EncryptedSecret>;
  /** All active versions, for verifying webhooks. */
  readonly active: Cache<ActiveVersions>;
  /** Invalidates one secret of a company, or all of them. */
  invalidate(companyId: string, secretKey?: string): void;
  /** Invalidates a company's secrets that match. */
  invalidateMatching(companyId: string, isMeant: (secretKey: string) => boolean): void;
  markStale(): void;
  start(): void;
  stop(): void;
  /** The sum of both caches. */
  measure(): CacheMeasurements;
}

/** The share of the cache for active versions. Few secrets are webhook secrets. */
const activeShare = 1 / 8;

/** @param bounds of the current versions; active versions get an additional eighth */
export function createSecretCache({ maxEntries, maxBytes, ...cacheOptions }: CacheTtl & Bounds): SecretCache {
  const unavailability = {
    isUnavailable: isStoreUnavailable,
    // An Infisical outage alone must not serve stale values: a hybrid company's values in the database are still fetched. Calls
    // to Infisical itself fail fast, by a circuit breaker.
    isSourceUnavailable: isDatabaseUnavailable,
  };
  const current = createCache<EncryptedSecret>({
    ...cacheOptions,
    ...unavailability,
    maxEntries,
    maxBytes,
    sizeOf: ({ sizeBytes }) => sizeBytes,
    ttlMsOf: ({ ttlMs }) => ttlMs,
  });
  const active = createCache<ActiveVersions>({
    ...cacheOptions,
    ...unavailability,
    maxEntries: Math.ceil(maxEntries * activeShare),
    maxBytes: Math.ceil(maxBytes * activeShare),
    sizeOf: (secrets) => secrets.reduce((sum, { encrypted }) => sum + encrypted.sizeBytes, 0),
    ttlMsOf: (secrets) => Math.min(...secrets.map(({ encrypted }) => encrypted.ttlMs ?? Infinity)),
  });
  const both = [current, active] as const;
  return {
    current,
    active,
    invalidate: (companyId, secretKey) => both.forEach((each) => each.invalidate(companyId, secretKey)),
    invalidateMatching: (companyId, isMeant) =>
      both.forEach((each) => each.invalidateMatching(companyId, isMeant)),
    markStale: () => both.forEach((each) => each.markStale()),
    start: () => both.forEach((each) => each.start()),
    stop: () => both.forEach((each) => each.stop()),
    measure: () => {
      const [one, other] = [current.measure(), active.measure()];
      return {
        hits: one.hits + other.hits,
        negativeHits: one.negativeHits + other.negativeHits,
        staleHits: one.staleHits + other.staleHits,
        misses: one.misses + other.misses,
        joined: one.joined + other.joined,
        // Both caches are always invalidated together, so one count is the total.
        invalidations: one.invalidations,
        evictions: one.evictions + other.evictions,
        entries: one.entries + other.entries,
        bytes: one.bytes + other.bytes,
      };
    },
  };
}

/** The cache key of a secret. It includes the store, so that no entry outlives a change of the company's store. */
export function cacheKeyOf({ id, secretStore }: Company, secretKey: string): CacheKey {
  return { owner: id, name: secretKey, source: secretStore };
}

/**
 * Decrypts a cached value. If that fails, the entry is invalidated, because the stored value may have been repaired meanwhile.
 */
export function openOrInvalidate<T>(
  cache: SecretCache,
  { company, secretKey }: { readonly company: Company; readonly secretKey: string },
  open: () => T,
): T {
  try {
    return open();
  } catch (error) {
    cache.invalidate(company.id, secretKey);
    throw error;
  }
}
