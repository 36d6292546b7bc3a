import { LRUCache } from "lru-cache";
import { createRanking } from "./ranking.ts";

export interface Bounds {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** Entries by owner and name, least recently used ones evicted first. */
export interface FairLru<Entry extends { readonly sizeBytes: number }> {
  get(owner: string, name: string): Entry | undefined;
  set(owner: string, name: string, entry: Entry): void;
  /** The names that an owner has. */
  names(owner: string): Iterable<string>;
  delete(owner: string, name: string): void;
  deleteAll(owner: string): void;
  deleteWhere(matches: (entry: Entry) => boolean): void;
  clear(): void;
  measure(): { readonly entries: number; readonly bytes: number; readonly evictions: number };
}

type OwnerLru<Entry extends object> = LRUCache<string, Entry>;

/**
 * A bounded LRU map that is fair to owners. Over its bounds it evicts from an owner that has more than an even share of the
 * room, the least recently used entry first. An owner with at most an even share loses nothing to the others.
 *
 * @param onStep called for each owner that the search for a victim compares, so that a test can count the steps
 */
export function createFairLru<Entry extends { readonly sizeBytes: number }>(
  { maxEntries, maxBytes }: Bounds,
  onStep?: () => void,
): FairLru<Entry> {
  const lrus = new Map<string, OwnerLru<Entry>>();
  let entries = 0;
  let bytes = 0;
  let evictions = 0;
  /** Owners by their part of the room. Over the bounds, the first one has more than an even share. */
  const ranking = createRanking<string>(onStep);

  const rank = (owner: string, lru: OwnerLru<Entry>): void => {
    if (lru.size > 0) {
      ranking.put(owner, Math.max(lru.size / maxEntries, lru.calculatedSize / maxBytes));
      return;
    }
    lrus.delete(owner);
    ranking.delete(owner);
  };

  const removeLru = (owner: string, lru: OwnerLru<Entry>): void => {
    entries -= lru.size;
    bytes -= lru.calculatedSize;
    lrus.delete(owner);
    ranking.delete(owner);
  };

  const remove = (owner: string, lru: OwnerLru<Entry>, name: string): void => {
    const before = lru.calculatedSize;
    if (!lru.delete(name)) return;
    entries -= 1;
    bytes -= before - lru.calculatedSize;
    rank(owner, lru);
  };

  const hasMoreThanItsShare = (lru: OwnerLru<Entry>): boolean =>
    lru.size * lrus.size > maxEntries || lru.calculatedSize * lrus.size > maxBytes;

  /** The owner of the new entry pays for it where it has more than an even share, else the owner with the most. */
  const findVictim = (owner: string): readonly [string, OwnerLru<Entry>] | undefined => {
    const own = lrus.get(owner);
    if (own !== undefined && own.size > 1 && hasMoreThanItsShare(own)) return [owner, own];
    const heaviest = ranking.heaviest(owner);
    const other = heaviest === undefined ? undefined : lrus.get(heaviest);
    if (heaviest !== undefined && other !== undefined && hasMoreThanItsShare(other)) return [heaviest, other];
    return own === undefined ? undefined : [owner, own];
  };

  const isTooMuch = (): boolean => entries > maxEntries || bytes > maxBytes;

  const makeRoom = (owner: string): void => {
    while (isTooMuch()) {
      const [victim, lru] = findVictim(owner) ?? [];
      if (victim === undefined || lru === undefined) return;
      const [oldest] = lru.rkeys();
      if (oldest === undefined) return;
      remove(victim, lru, oldest);
      evictions += 1;
    }
  };

  return {
    get: (owner, name) => lrus.get(owner)?.get(name),
    set: (owner, name, entry) => {
      let lru = lrus.get(owner);
      if (entry.sizeBytes > maxBytes) {
        // The entry before is outdated all the same.
        if (lru !== undefined) remove(owner, lru, name);
        return;
      }
      if (lru === undefined) lrus.set(owner, (lru = new LRUCache({ maxSize: Number.MAX_SAFE_INTEGER })));
      const [size, weight] = [lru.size, lru.calculatedSize];
      lru.set(name, entry, { size: entry.sizeBytes });
      entries += lru.size - size;
      bytes += lru.calculatedSize - weight;
      rank(owner, lru);
      makeRoom(owner);
    },
    names: (owner) => Array.from(lrus.get(owner)?.keys() ?? []),
    delete: (owner, name) => {
      const lru = lrus.get(owner);
      if (lru !== undefined) remove(owner, lru, name);
    },
    deleteAll: (owner) => {
      const lru = lrus.get(owner);
      if (lru !== undefined) removeLru(owner, lru);
    },
    deleteWhere: (matches) => {
      for (const [owner, lru] of lrus) {
        for (const [name, entry] of Array.from(lru.entries())) if (matches(entry)) remove(owner, lru, name);
      }
    },
    clear: () => {
      lrus.clear();
      ranking.clear();
      entries = 0;
      bytes = 0;
    },
    measure: () => ({ entries, bytes, evictions }),
  };
}
