import { setTimeout as sleep } from "node:timers/promises";
import { createFairLru, type Bounds } from "./fair-lru.ts";

/** How long answers are kept, in milliseconds. */
export interface CacheTtl {
  /** An answer is taken for true for this long at most, and a tenth less at random, so that not all end at once. */
  readonly ttlMs: number;
  /** The same, of the answer that there is nothing. */
  readonly negativeTtlMs: number;
  /** How old an answer may become where nobody can be asked. */
  readonly staleIfErrorMs: number;
}

export interface CacheSettings<Value> extends Bounds, CacheTtl {
  readonly sizeOf: (value: Value) => number;
  /** For how long a value may be kept at most, where that is less than `freshMs`. */
  readonly ttlMsOf?: (value: Value) => number | undefined;
  /** Whether a question failed because nobody could be asked, and not because of what was asked for. */
  readonly isUnavailable: (error: unknown) => boolean;
  /** Of these, whether nothing else can be asked of the same source either. */
  readonly isSourceUnavailable: (error: unknown) => boolean;
  /** Whether an older answer is given only once asking has failed, and not already while it takes long. Default false. */
  readonly staleOnErrorOnly?: boolean;
}

/** What is asked for: `name` of `owner`, and of whom. Answers of one source say nothing about another's. */
export interface CacheKey {
  readonly owner: string;
  readonly name: string;
  readonly source: string;
}

/** What a cache has done since it was made. All but `entries` and `bytes` only ever grow. */
export interface CacheMeasurements {
  /** Values that were at hand. */
  readonly hits: number;
  /** What was known not to be there. */
  readonly negativeHits: number;
  /** Values that were past their time, and were served because nobody could be asked. */
  readonly staleHits: number;
  /** What somebody had to be asked for. */
  readonly misses: number;
  /** Callers who waited for what another one was asking for already. */
  readonly joined: number;
  /** How often something was forgotten because it had changed, or might have. */
  readonly invalidations: number;
  /** What was forgotten to make room. */
  readonly evictions: number;
  readonly entries: number;
  readonly bytes: number;
}

/**
 * Answers that a process was given, kept while it hears of changes. A question that is being asked is not asked a second
 * time, and what was asked before a change is told to whoever asked, and not kept.
 */
export interface Cache<Value> {
  /**
   * @param now by `performance.now()`
   * @returns what is at hand and true now, without waiting; `value` is undefined for what is known not to be there
   */
  peek(key: CacheKey, now?: number): { readonly value: Value | undefined } | undefined;
  /**
   * @param ask finds the answer; undefined for nothing
   * @throws what `ask` throws, where there is no older answer that may still be given
   */
  get(key: CacheKey, load: () => Promise<Value | undefined>): Promise<Value | undefined>;
  /** As `get`, asking also where an answer is at hand, and never giving an older one. */
  getFresh(key: CacheKey, load: () => Promise<Value | undefined>): Promise<Value | undefined>;
  /** @returns a value that is at hand, also one that is past its time and may only be given where nobody can be asked */
  peekIncludingStale(key: CacheKey): Value | undefined;
  /** One name of an owner has changed, or all of its. */
  invalidate(owner: string, name?: string): void;
  /** Names of an owner that are meant have changed. */
  invalidateMatching(owner: string, isMeant: (name: string) => boolean): void;
  /** What says so has changed, and whatever was not there. */
  invalidateWhere(isChanged: (value: Value) => boolean): void;
  /** Changes may have been missed: everything is asked for again, and is older news only where nobody can be asked. */
  markStale(): void;
  /** Keeps answers from now on. Before, and after `stop`, a question that is being asked is shared, and that is all. */
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
  /** How often everything had been doubted when it was asked for. */
  readonly staleGeneration: number;
  /** Until when nobody waits for a newer one, as it was just found that it takes too long. */
  slowUntil: number;
}

interface InFlightRequest<Value> {
  readonly answer: Promise<Value | undefined>;
  readonly source: string;
  outdated: boolean;
}

/** How long whoever could be given an older answer waits for a new one. */
const timeoutMs = 1000;
/** How long nobody is asked again after it was found that nobody can be. */
const retrySourceAfterMs = 1000;
/** That something is not there takes a little room too. */
const negativeEntryBytes = 300;
/** How much of the room, and beside it: names of what is not there have no end, and must not crowd out what is. */
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

  const store = ({ owner, name, source }: CacheKey, value: Value | undefined, askedAt: number): void => {
    const usualMs = value === undefined ? options.negativeTtlMs : options.ttlMs;
    const longestMs = Math.min(usualMs, (value && options.ttlMsOf?.(value)) ?? usualMs);
    const freshUntil = askedAt + longestMs * (0.9 + 0.1 * Math.random());
    drop(owner, name);
    (value === undefined ? negativeEntries : entries).set(owner, name, {
      value,
      source,
      sizeBytes: value === undefined ? negativeEntryBytes : options.sizeOf(value),
      freshUntil,
      staleUntil: askedAt + options.staleIfErrorMs,
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
    // Nobody finds it any more to tell it of a change.
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
    const askedAt = performance.now();
    try {
      const value = await load();
      if (caching && !request.outdated) store(key, value, askedAt);
      unavailableUntil.delete(source);
      return value;
    } catch (error) {
      if (options.isSourceUnavailable(error))
        unavailableUntil.set(source, performance.now() + retrySourceAfterMs);
      // What does not open, or whose key is gone, is not served on from here.
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

  /** An older answer, where a new one cannot be had soon. */
  const getOrStale = async (
    key: CacheKey,
    load: () => Promise<Value | undefined>,
    entry: Entry<Value>,
  ): Promise<Value | undefined> => {
    const now = performance.now();
    const until = unavailableUntil.get(key.source);
    if (now < Math.max(until ?? 0, entry.slowUntil)) return serveStale(entry);
    // One at a time finds out whether somebody can be asked again.
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
      // That there is nothing is never told when it is old: it would refuse what somebody has just made.
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
    invalidateMatching: (owner, isMeant) => {
      counts.invalidations += 1;
      const names = new Set([...entries.names(owner), ...(inFlightRequests.get(owner)?.keys() ?? [])]);
      for (const name of names) {
        if (!isMeant(name)) continue;
        outdate(owner, name);
        entries.delete(owner, name);
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
