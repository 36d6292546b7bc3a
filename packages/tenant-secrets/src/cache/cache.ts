import { setTimeout as sleep } from "node:timers/promises";
import { createFairShelves, type Bounds } from "./fair-lru.ts";

/** How long answers are kept, in milliseconds. */
export interface Keeping {
  /** An answer is taken for true for this long at most, and a tenth less at random, so that not all end at once. */
  readonly freshMs: number;
  /** The same, of the answer that there is nothing. */
  readonly absentMs: number;
  /** How old an answer may become where nobody can be asked. */
  readonly staleMs: number;
}

export interface KeptAnswersOptions<Value> extends Bounds, Keeping {
  readonly sizeOf: (value: Value) => number;
  /** For how long a value may be kept at most, where that is less than `freshMs`. */
  readonly keepMsOf?: (value: Value) => number | undefined;
  /** Whether a question failed because nobody could be asked, and not because of what was asked for. */
  readonly isAway: (error: unknown) => boolean;
  /** Of these, whether nothing else can be asked of the same source either. */
  readonly isAwayForAll: (error: unknown) => boolean;
  /** Whether an older answer is given only once asking has failed, and not already while it takes long. Default false. */
  readonly patient?: boolean;
}

/** What is asked for: `name` of `owner`, and of whom. Answers of one source say nothing about another's. */
export interface Question {
  readonly owner: string;
  readonly name: string;
  readonly source: string;
}

/** What a cache has done since it was made. All but `entries` and `bytes` only ever grow. */
export interface CacheMeasurements {
  /** Values that were at hand. */
  readonly hits: number;
  /** What was known not to be there. */
  readonly absentHits: number;
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
export interface KeptAnswers<Value> {
  /**
   * @param now by `performance.now()`
   * @returns what is at hand and true now, without waiting; `value` is undefined for what is known not to be there
   */
  peek(question: Question, now?: number): { readonly value: Value | undefined } | undefined;
  /**
   * @param ask finds the answer; undefined for nothing
   * @throws what `ask` throws, where there is no older answer that may still be given
   */
  get(question: Question, ask: () => Promise<Value | undefined>): Promise<Value | undefined>;
  /** As `get`, asking also where an answer is at hand, and never giving an older one. */
  askAnew(question: Question, ask: () => Promise<Value | undefined>): Promise<Value | undefined>;
  /** @returns a value that is at hand, also one that is past its time and may only be given where nobody can be asked */
  peekAny(question: Question): Value | undefined;
  /** One name of an owner has changed, or all of its. */
  forget(owner: string, name?: string): void;
  /** Names of an owner that are meant have changed. */
  forgetNames(owner: string, isMeant: (name: string) => boolean): void;
  /** What says so has changed, and whatever was not there. */
  forgetWhere(isChanged: (value: Value) => boolean): void;
  /** Changes may have been missed: everything is asked for again, and is older news only where nobody can be asked. */
  doubt(): void;
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
  readonly doubts: number;
  /** Until when nobody waits for a newer one, as it was just found that it takes too long. */
  slowUntil: number;
}

interface Flight<Value> {
  readonly answer: Promise<Value | undefined>;
  readonly source: string;
  outdated: boolean;
}

/** How long whoever could be given an older answer waits for a new one. */
const patienceMs = 1000;
/** How long nobody is asked again after it was found that nobody can be. */
const awayMs = 1000;
/** That something is not there takes a little room too. */
const absentBytes = 300;
/** How much of the room, and beside it: names of what is not there have no end, and must not crowd out what is. */
const shareOfAbsent = 1 / 10;

export function createKeptAnswers<Value>(options: KeptAnswersOptions<Value>): KeptAnswers<Value> {
  const shelves = createFairShelves<Entry<Value>>(options);
  const absences = createFairShelves<Entry<Value>>({
    maxEntries: Math.ceil(options.maxEntries * shareOfAbsent),
    maxBytes: Math.ceil(options.maxBytes * shareOfAbsent),
  });
  const flights = new Map<string, Map<string, Flight<Value>>>();
  const awayUntil = new Map<string, number>();
  const counts = { hits: 0, absentHits: 0, staleHits: 0, misses: 0, joined: 0, invalidations: 0 };
  let doubts = 0;
  let keeping = false;

  const find = ({ owner, name, source }: Question): Entry<Value> | undefined => {
    const entry = shelves.get(owner, name) ?? absences.get(owner, name);
    return entry?.source === source ? entry : undefined;
  };
  const drop = (owner: string, name: string): void => {
    shelves.delete(owner, name);
    absences.delete(owner, name);
  };

  const keep = ({ owner, name, source }: Question, value: Value | undefined, askedAt: number): void => {
    const usualMs = value === undefined ? options.absentMs : options.freshMs;
    const longestMs = Math.min(usualMs, (value && options.keepMsOf?.(value)) ?? usualMs);
    const freshUntil = askedAt + longestMs * (0.9 + 0.1 * Math.random());
    drop(owner, name);
    (value === undefined ? absences : shelves).set(owner, name, {
      value,
      source,
      sizeBytes: value === undefined ? absentBytes : options.sizeOf(value),
      freshUntil,
      staleUntil: askedAt + options.staleMs,
      doubts,
      slowUntil: 0,
    });
  };

  const land = (question: Question, flight: Flight<Value>): void => {
    const ofOwner = flights.get(question.owner);
    if (ofOwner?.get(question.name) !== flight) return;
    ofOwner.delete(question.name);
    if (ofOwner.size === 0) flights.delete(question.owner);
  };

  const fly = (question: Question, ask: () => Promise<Value | undefined>): Promise<Value | undefined> => {
    const { owner, name, source } = question;
    const ofOwner = flights.get(owner) ?? new Map<string, Flight<Value>>();
    flights.set(owner, ofOwner);
    const known = ofOwner.get(name);
    if (known?.source === source) {
      counts.joined += 1;
      return known.answer;
    }
    // Nobody finds it any more to tell it of a change.
    if (known !== undefined) known.outdated = true;
    counts.misses += 1;
    const { promise, resolve } = Promise.withResolvers<Value | undefined>();
    const flight: Flight<Value> = { answer: promise, source, outdated: false };
    ofOwner.set(name, flight);
    resolve(take(question, ask, flight));
    return promise;
  };

  const take = async (
    question: Question,
    ask: () => Promise<Value | undefined>,
    flight: Flight<Value>,
  ): Promise<Value | undefined> => {
    const { owner, name, source } = question;
    const askedAt = performance.now();
    try {
      const value = await ask();
      if (keeping && !flight.outdated) keep(question, value, askedAt);
      awayUntil.delete(source);
      return value;
    } catch (error) {
      if (options.isAwayForAll(error)) awayUntil.set(source, performance.now() + awayMs);
      // What does not open, or whose key is gone, is not served on from here.
      if (!options.isAway(error) && !flight.outdated) drop(owner, name);
      throw error;
    } finally {
      land(question, flight);
    }
  };

  const outdate = (owner: string, name?: string): void => {
    const ofOwner = flights.get(owner);
    if (ofOwner === undefined) return;
    for (const [each, flight] of name === undefined ? ofOwner : [[name, ofOwner.get(name)] as const]) {
      if (flight !== undefined) flight.outdated = true;
      ofOwner.delete(each);
    }
    if (ofOwner.size === 0) flights.delete(owner);
  };

  const outdateAll = (): void => {
    for (const owner of flights.keys()) outdate(owner);
  };

  /** An older answer, where a new one cannot be had soon. */
  const getOrStale = async (
    question: Question,
    ask: () => Promise<Value | undefined>,
    entry: Entry<Value>,
  ): Promise<Value | undefined> => {
    const now = performance.now();
    const until = awayUntil.get(question.source);
    if (now < Math.max(until ?? 0, entry.slowUntil)) return serveStale(entry);
    // One at a time finds out whether somebody can be asked again.
    if (until !== undefined) awayUntil.set(question.source, now + awayMs);
    const late = Symbol();
    const giveUp = new AbortController();
    const answer = fly(question, ask);
    try {
      const first =
        options.patient === true
          ? await answer
          : await Promise.race([
              answer,
              sleep(patienceMs, late, { signal: giveUp.signal }).catch(() => late),
            ]);
      if (first !== late) return await answer;
      entry.slowUntil = performance.now() + awayMs;
      answer.catch(() => {});
      return serveStale(entry);
    } catch (error) {
      if (options.isAway(error)) return serveStale(entry);
      throw error;
    } finally {
      giveUp.abort();
    }
  };

  const serveStale = (entry: Entry<Value>): Value | undefined => {
    counts.staleHits += 1;
    return entry.value;
  };

  const peek: KeptAnswers<Value>["peek"] = (question, now = performance.now()) => {
    const entry = find(question);
    if (entry === undefined || entry.doubts !== doubts || now >= entry.freshUntil) return undefined;
    if (entry.value === undefined) counts.absentHits += 1;
    else counts.hits += 1;
    return entry;
  };

  return {
    peek,
    get: async (question, ask) => {
      const kept = peek(question);
      if (kept !== undefined) return kept.value;
      const entry = find(question);
      // That there is nothing is never told when it is old: it would refuse what somebody has just made.
      return entry !== undefined && performance.now() < entry.staleUntil && entry.value !== undefined
        ? getOrStale(question, ask, entry)
        : fly(question, ask);
    },
    askAnew: fly,
    peekAny: (question) => {
      const entry = find(question);
      return entry !== undefined && performance.now() < entry.staleUntil ? entry.value : undefined;
    },
    forget: (owner, name) => {
      counts.invalidations += 1;
      outdate(owner, name);
      if (name !== undefined) return drop(owner, name);
      shelves.deleteAll(owner);
      absences.deleteAll(owner);
    },
    forgetNames: (owner, isMeant) => {
      counts.invalidations += 1;
      const names = new Set([...shelves.names(owner), ...(flights.get(owner)?.keys() ?? [])]);
      for (const name of names) {
        if (!isMeant(name)) continue;
        outdate(owner, name);
        shelves.delete(owner, name);
      }
    },
    forgetWhere: (isChanged) => {
      counts.invalidations += 1;
      outdateAll();
      absences.clear();
      shelves.deleteWhere(({ value }) => value !== undefined && isChanged(value));
    },
    doubt: () => {
      counts.invalidations += 1;
      doubts += 1;
      outdateAll();
    },
    start: () => {
      keeping = true;
    },
    stop: () => {
      keeping = false;
      outdateAll();
      shelves.clear();
      absences.clear();
    },
    measure: () => {
      const [present, absent] = [shelves.measure(), absences.measure()];
      return {
        ...counts,
        evictions: present.evictions + absent.evictions,
        entries: present.entries + absent.entries,
        bytes: present.bytes + absent.bytes,
      };
    },
  };
}
