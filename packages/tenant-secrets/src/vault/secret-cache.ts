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

/** What a process has found of companies' secrets, sealed as it was, and keeps while it hears of changes. */
export interface SecretCache {
  /** Current values. */
  readonly current: Cache<EncryptedSecret>;
  /** All values that count, which webhooks are verified with. */
  readonly active: Cache<ActiveVersions>;
  /** One secret of a company has changed, or any of them. */
  invalidate(companyId: string, secretKey?: string): void;
  /** Of a company's secrets those have changed that are meant. */
  invalidateMatching(companyId: string, isMeant: (secretKey: string) => boolean): void;
  markStale(): void;
  start(): void;
  stop(): void;
  /** Of both together. */
  measure(): CacheMeasurements;
}

/** What webhooks are signed with is few of the secrets that there are. */
const activeShare = 1 / 8;

/** @param bounds of current values; an eighth of that is kept beside them */
export function createSecretCache({ maxEntries, maxBytes, ...cacheOptions }: CacheTtl & Bounds): SecretCache {
  const unavailability = {
    isUnavailable: isStoreUnavailable,
    // Infisical has a circuit breaker, and what a hybrid company has in the database is asked for while that is open.
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
        // Whatever is forgotten is forgotten in both.
        invalidations: one.invalidations,
        evictions: one.evictions + other.evictions,
        entries: one.entries + other.entries,
        bytes: one.bytes + other.bytes,
      };
    },
  };
}

/** The cache key of a secret: the store is part of it, so that no answer outlives a change of the company's store. */
export function cacheKeyOf({ id, secretStore }: Company, secretKey: string): CacheKey {
  return { owner: id, name: secretKey, source: secretStore };
}

/** Opens what was cached. What does not open is fetched again by the next caller: it may have been put right. */
export function openOrForget<T>(
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
