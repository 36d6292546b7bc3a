import { LRUCache } from "lru-cache";
import { createRanking } from "./ranking.ts";

export interface Bounds {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** Something kept, for its owner, under a name. */
export interface FairShelves<Entry extends { readonly sizeBytes: number }> {
  get(owner: string, name: string): Entry | undefined;
  set(owner: string, name: string, entry: Entry): void;
  /** What is kept for an owner. */
  names(owner: string): Iterable<string>;
  delete(owner: string, name: string): void;
  deleteAll(owner: string): void;
  /** Takes away what `isWanted` says. */
  deleteWhere(isWanted: (entry: Entry) => boolean): void;
  clear(): void;
  measure(): { readonly entries: number; readonly bytes: number; readonly evictions: number };
}

type Shelf<Entry extends object> = LRUCache<string, Entry>;

/**
 * A bounded store in which owners cannot crowd each other out: where there is no more room, whoever has more than an even
 * share of it loses what it has not used for longest. An owner with no more than its share loses nothing to others.
 *
 * @param onStep called for each owner that is looked at to find one with too much, so that a test can count them
 */
export function createFairShelves<Entry extends { readonly sizeBytes: number }>(
  { maxEntries, maxBytes }: Bounds,
  onStep?: () => void,
): FairShelves<Entry> {
  const shelves = new Map<string, Shelf<Entry>>();
  let entries = 0;
  let bytes = 0;
  let evictions = 0;
  /** Owners by the part of the room that they have. Where there is too much in all, the first has more than an even share. */
  const ranking = createRanking<string>(onStep);

  const rank = (owner: string, shelf: Shelf<Entry>): void => {
    if (shelf.size > 0) {
      ranking.put(owner, Math.max(shelf.size / maxEntries, shelf.calculatedSize / maxBytes));
      return;
    }
    shelves.delete(owner);
    ranking.delete(owner);
  };

  const forgetShelf = (owner: string, shelf: Shelf<Entry>): void => {
    entries -= shelf.size;
    bytes -= shelf.calculatedSize;
    shelves.delete(owner);
    ranking.delete(owner);
  };

  const remove = (owner: string, shelf: Shelf<Entry>, name: string): void => {
    const before = shelf.calculatedSize;
    if (!shelf.delete(name)) return;
    entries -= 1;
    bytes -= before - shelf.calculatedSize;
    rank(owner, shelf);
  };

  const hasMoreThanItsShare = (shelf: Shelf<Entry>): boolean =>
    shelf.size * shelves.size > maxEntries || shelf.calculatedSize * shelves.size > maxBytes;

  /** Whoever brings something makes room for it, out of its own where that is more than an even share. */
  const findVictim = (owner: string): readonly [string, Shelf<Entry>] | undefined => {
    const own = shelves.get(owner);
    if (own !== undefined && own.size > 1 && hasMoreThanItsShare(own)) return [owner, own];
    const heaviest = ranking.heaviest(owner);
    const other = heaviest === undefined ? undefined : shelves.get(heaviest);
    if (heaviest !== undefined && other !== undefined && hasMoreThanItsShare(other)) return [heaviest, other];
    return own === undefined ? undefined : [owner, own];
  };

  const isTooMuch = (): boolean => entries > maxEntries || bytes > maxBytes;

  const makeRoom = (owner: string): void => {
    while (isTooMuch()) {
      const [victim, shelf] = findVictim(owner) ?? [];
      if (victim === undefined || shelf === undefined) return;
      const [oldest] = shelf.rkeys();
      if (oldest === undefined) return;
      remove(victim, shelf, oldest);
      evictions += 1;
    }
  };

  return {
    get: (owner, name) => shelves.get(owner)?.get(name),
    set: (owner, name, entry) => {
      let shelf = shelves.get(owner);
      if (entry.sizeBytes > maxBytes) {
        // What stood there is older news all the same.
        if (shelf !== undefined) remove(owner, shelf, name);
        return;
      }
      if (shelf === undefined)
        shelves.set(owner, (shelf = new LRUCache({ maxSize: Number.MAX_SAFE_INTEGER })));
      const [size, weight] = [shelf.size, shelf.calculatedSize];
      shelf.set(name, entry, { size: entry.sizeBytes });
      entries += shelf.size - size;
      bytes += shelf.calculatedSize - weight;
      rank(owner, shelf);
      makeRoom(owner);
    },
    names: (owner) => Array.from(shelves.get(owner)?.keys() ?? []),
    delete: (owner, name) => {
      const shelf = shelves.get(owner);
      if (shelf !== undefined) remove(owner, shelf, name);
    },
    deleteAll: (owner) => {
      const shelf = shelves.get(owner);
      if (shelf !== undefined) forgetShelf(owner, shelf);
    },
    deleteWhere: (isWanted) => {
      for (const [owner, shelf] of shelves) {
        for (const [name, entry] of Array.from(shelf.entries()))
          if (isWanted(entry)) remove(owner, shelf, name);
      }
    },
    clear: () => {
      shelves.clear();
      ranking.clear();
      entries = 0;
      bytes = 0;
    },
    measure: () => ({ entries, bytes, evictions }),
  };
}
