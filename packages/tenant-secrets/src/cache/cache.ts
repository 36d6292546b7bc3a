import { setTimeout as sleep } from "node:timers/promises";
import { createFairLru, type Bounds } from "./fair-lru.ts";

/** How long entries live, in milliseconds. */
export interface CacheTtl {
  /** Time to live of a value. Up to a tenth is taken off at random, so that entries do not expire all at once. */
  readonly ttlMs: number;
  /** Time to live of the answer that there is no such value. */
  readonly negativeTtlMs: number;
  /** How old a value may be that is served while its source is unavailable (RFC 5861, stale-if-error). */
  readonly staleIfErrorMs: number;
}

export interface CacheSettings<Value> extends Bounds, CacheTtl {
  readonly sizeOf: (value: Value) => number;
  /** The time to live of one value, where that is less than `ttlMs`. */
  readonly ttlMsOf?: (value: Value) => number | undefined;
  /** Whether a load failed because its source is unavailable, and not because of what was loaded. */
  readonly isUnavailable: (error: unknown) => boolean;
  /** Whether such a failure concerns everything that the source has. */
  readonly isSourceUnavailable: (error: unknown) => boolean;
  /** Whether a stale value is served only after a load has failed, and not already while a load is slow. Default false. */
  readonly staleOnErrorOnly?: boolean;
}

/** `name` of `owner` in `source`. An entry of one source never answers for another. */
export interface CacheKey {
  readonly owner: string;
  readonly name: string;
  readonly source: string;
}

/** What a cache has done since it was made. All but `entries` and `bytes` only ever grow. */
export interface CacheMeasurements {
  /** Reads that a cached value answered. */
  readonly hits: number;
  /** Reads that a cached absence answered. */
  readonly negativeHits: number;
  /** Reads that a stale value answered, because its source was unavailable. */
  readonly staleHits: number;
  /** Loads from a source. */
  readonly misses: number;
  /** Reads that shared a load of another caller. */
  readonly joined: number;
  /** Calls that invalidated entries, or marked them stale. */
  readonly invalidations: number;
  /** Entries that were removed to make room. */
  readonly evictions: number;
  readonly entries: number;
  readonly bytes: number;
}

/**
 * A read-through cache of one process, valid while the process receives notifications of changes. Concurrent reads of one key
 * share one load. A load that was begun before an invalidation answers its callers, and is not stored.
 */
export interface Cache<Value> {
  /**
   * @param now by `performance.now()`
   * @returns the fresh entry, without loading; its `value` is undefined for a cached absence
   */
  peek(key: CacheKey, now?: number): { readonly value: Value | undefined } | undefined;
  /**
   * @param load reads from the source; undefined where there is no such value
   * @throws what `load` throws, where no stale value may be served instead
   */
  get(key: CacheKey, load: () => Promise<Value | undefined>): Promise<Value | undefined>;
  /** As `get`, but loads also where there is a fresh entry, and never serves a stale one. */
  getFresh(key: CacheKey, load: () => Promise<Value | undefined>): Promise<Value | undefined>;
  /** @returns the cached value, fresh or stale, without loading */
  peekIncludingStale(key: CacheKey): Value | undefined;
  /** Removes one name of an owner, or all of its names. */
  invalidate(owner: string, name?: string): void;
  /** Removes the names of an owner that match. */
  invalidateMatching(owner: string, matches: (name: string) => boolean): void;
  /** Removes the values that have changed, and all cached absences. */
  invalidateWhere(isChanged: (value: Value) => boolean): void;
  /** Notifications may have been lost: every entry is loaded again, and serves only while its source is unavailable. */
  markStale(): void;
  /** Stores entries from now on. Before `start` and after `stop`, concurrent reads share a load and nothing is stored. */
  start(): void;
  stop(): void;
  measure(): CacheMeasurements;
}

interface Entry<Value> {
  readonly value: Value | undefined;
  readonly source: string;
  readonly sizeBytes: number;
  readonly freshUntil: number;
  readonly staleUntil: number;
  /** The number of `markStale` calls before its load. */
  readonly staleGeneration: number;
  /** Until when a stale value is served without a load, because the last load was slow. */
  slowUntil: number;
}

interface InFlightRequest<Value> {
  readonly answer: Promise<Value | undefined>;
  readonly source: string;
  outdated: boolean;
}

/** 1 second: how long a read that has a stale value waits for its load before it serves that value. */
const timeoutMs = 1000;
/** 1 second: how long a source that was found unavailable is not asked again. */
const retrySourceAfterMs = 1000;
/** What a cached absence takes: its key and the entry around it. */
const negativeEntryBytes = 300;
/** Absences get room of their own, a tenth of the values': callers can make up names without end, which must not evict values. */
const negativeShare = 1 / 10;

export function createCache<Value>(options: CacheSettings<Value>): Cache<Value> {
  const entries = createFairLru<Entry<Value>>(options);
  const negativeEntries = createFairLru<Entry<Value>>({
    maxEntries: Math.ceil(options.maxEntries * negativeShare),
    maxBytes: Math.ceil(options.maxBytes * negativeShare),
  });
  const inFlightRequests = new Map<string, Map<string, InFlightRequest<Value>>>();
  const unavailableUntil = new Map<string, number>();
  const counts = { hits: 0, negativeHits: 0, staleHits: 0, misses: 0, joined: 0, invalidations: 0 };
  let staleGeneration = 0;
  let caching = false;

  const find = ({ owner, name, source }: CacheKey): Entry<Value> | undefined => {
    const entry = entries.get(owner, name) ?? negativeEntries.get(owner, name);
    return entry?.source === source ? entry : undefined;
  };
  const drop = (owner: string, name: string): void => {
    entries.delete(owner, name);
    negativeEntries.delete(owner, name);
  };

  const store = ({ owner, name, source }: CacheKey, value: Value | undefined, requestedAt: number): void => {
    const usualMs = value === undefined ? options.negativeTtlMs : options.ttlMs;
    const longestMs = Math.min(usualMs, (value && options.ttlMsOf?.(value)) ?? usualMs);
    const freshUntil = requestedAt + longestMs * (0.9 + 0.1 * Math.random());
    drop(owner, name);
    (value === undefined ? negativeEntries : entries).set(owner, name, {
      value,
      source,
      sizeBytes: value === undefined ? negativeEntryBytes : options.sizeOf(value),
      freshUntil,
      staleUntil: requestedAt + options.staleIfErrorMs,
      staleGeneration,
      slowUntil: 0,
    });
  };

  const removeInFlight = (key: CacheKey, request: InFlightRequest<Value>): void => {
    const ofOwner = inFlightRequests.get(key.owner);
    if (ofOwner?.get(key.name) !== request) return;
    ofOwner.delete(key.name);
    if (ofOwner.size === 0) inFlightRequests.delete(key.owner);
  };

  const loadShared = (key: CacheKey, load: () => Promise<Value | undefined>): Promise<Value | undefined> => {
    const { owner, name, source } = key;
    const ofOwner = inFlightRequests.get(owner) ?? new Map<string, InFlightRequest<Value>>();
    inFlightRequests.set(owner, ofOwner);
    const known = ofOwner.get(name);
    if (known?.source === source) {
      counts.joined += 1;
      return known.answer;
    }
    // The map loses the request here, so that no later invalidation reaches it.
    if (known !== undefined) known.outdated = true;
    counts.misses += 1;
    const { promise, resolve } = Promise.withResolvers<Value | undefined>();
    const request: InFlightRequest<Value> = { answer: promise, source, outdated: false };
    ofOwner.set(name, request);
    resolve(loadAndStore(key, load, request));
    return promise;
  };

  const loadAndStore = async (
    key: CacheKey,
    load: () => Promise<Value | undefined>,
    request: InFlightRequest<Value>,
  ): Promise<Value | undefined> => {
    const { owner, name, source } = key;
    const requestedAt = performance.now();
    try {
      const value = await load();
      if (caching && !request.outdated) store(key, value, requestedAt);
      unavailableUntil.delete(source);
      return value;
    } catch (error) {
      if (options.isSourceUnavailable(error))
        unavailableUntil.set(source, performance.now() + retrySourceAfterMs);
      // A value that does not decrypt, or whose key is destroyed, must not be served stale.
      if (!options.isUnavailable(error) && !request.outdated) drop(owner, name);
      throw error;
    } finally {
      removeInFlight(key, request);
    }
  };

  const outdate = (owner: string, name?: string): void => {
    const ofOwner = inFlightRequests.get(owner);
    if (ofOwner === undefined) return;
    for (const [each, request] of name === undefined ? ofOwner : [[name, ofOwner.get(name)] as const]) {
      if (request !== undefined) request.outdated = true;
      ofOwner.delete(each);
    }
    if (ofOwner.size === 0) inFlightRequests.delete(owner);
  };

  const outdateAll = (): void => {
    for (const owner of inFlightRequests.keys()) outdate(owner);
  };

  /** Loads, and serves the stale value where the load fails or is slow. */
  const getOrStale = async (
    key: CacheKey,
    load: () => Promise<Value | undefined>,
    entry: Entry<Value>,
  ): Promise<Value | undefined> => {
    const now = performance.now();
    const until = unavailableUntil.get(key.source);
    if (now < Math.max(until ?? 0, entry.slowUntil)) return serveStale(entry);
    // One read at a time finds out whether the source is available again.
    if (until !== undefined) unavailableUntil.set(key.source, now + retrySourceAfterMs);
    const late = Symbol();
    const giveUp = new AbortController();
    const answer = loadShared(key, load);
    try {
      const first =
        options.staleOnErrorOnly === true
          ? await answer
          : await Promise.race([answer, sleep(timeoutMs, late, { signal: giveUp.signal }).catch(() => late)]);
      if (first !== late) return await answer;
      entry.slowUntil = performance.now() + retrySourceAfterMs;
      answer.catch(() => {});
      return serveStale(entry);
    } catch (error) {
      if (options.isUnavailable(error)) return serveStale(entry);
      throw error;
    } finally {
      giveUp.abort();
    }
  };

  const serveStale = (entry: Entry<Value>): Value | undefined => {
    counts.staleHits += 1;
    return entry.value;
  };

  const peek: Cache<Value>["peek"] = (key, now = performance.now()) => {
    const entry = find(key);
    if (entry === undefined || entry.staleGeneration !== staleGeneration || now >= entry.freshUntil)
      return undefined;
    if (entry.value === undefined) counts.negativeHits += 1;
    else counts.hits += 1;
    return entry;
  };

  return {
    peek,
    get: async (key, load) => {
      const cached = peek(key);
      if (cached !== undefined) return cached.value;
      const entry = find(key);
      // A stale absence is never served: it would deny a secret that was just written.
      return entry !== undefined && performance.now() < entry.staleUntil && entry.value !== undefined
        ? getOrStale(key, load, entry)
        : loadShared(key, load);
    },
    getFresh: loadShared,
    peekIncludingStale: (key) => {
      const entry = find(key);
      return entry !== undefined && performance.now() < entry.staleUntil ? entry.value : undefined;
    },
    invalidate: (owner, name) => {
      counts.invalidations += 1;
      outdate(owner, name);
      if (name !== undefined) return drop(owner, name);
      entries.deleteAll(owner);
      negativeEntries.deleteAll(owner);
    },
    invalidateMatching: (owner, matches) => {
      counts.invalidations += 1;
      const names = new Set([
        ...entries.names(owner),
        ...negativeEntries.names(owner),
        ...(inFlightRequests.get(owner)?.keys() ?? []),
      ]);
      for (const name of names) {
        if (!matches(name)) continue;
        outdate(owner, name);
        drop(owner, name);
      }
    },
    invalidateWhere: (isChanged) => {
      counts.invalidations += 1;
      outdateAll();
      negativeEntries.clear();
      entries.deleteWhere(({ value }) => value !== undefined && isChanged(value));
    },
    markStale: () => {
      counts.invalidations += 1;
      staleGeneration += 1;
      outdateAll();
    },
    start: () => {
      caching = true;
    },
    stop: () => {
      caching = false;
      outdateAll();
      entries.clear();
      negativeEntries.clear();
    },
    measure: () => {
      const [present, absent] = [entries.measure(), negativeEntries.measure()];
      return {
        ...counts,
        evictions: present.evictions + absent.evictions,
        entries: present.entries + absent.entries,
        bytes: present.bytes + absent.bytes,
      };
    },
  };
}
