import type { EventContent } from "./event.ts";

/** Events that are alike, counted. */
export interface Tally {
  readonly content: EventContent;
  count: number;
  readonly firstAtMs: number;
  lastAtMs: number;
  taken: boolean;
}

/** Tallies by key, in the order of their first. */
export interface Tallies {
  readonly size: number;
  has(key: string): boolean;
  /**
   * Counts one more under the key. What it does not have in common with the others there is left out of the content.
   *
   * @returns where it was counted
   */
  add(key: string, content: EventContent, atMs: number): Tally;
  /** Counts one more of what was counted there before. @returns false where that is handed over already, or full */
  addTo(tally: Tally, atMs: number): boolean;
  /** Hands over what there is, and begins anew. */
  take(): Tally[];
}

/** The actor of a tally whose events are of several. */
const severalActors = "*";

/** Far below what the column `count` holds; then the key gets another tally. */
const fullAt = 1_000_000_000;

export function createTallies(): Tallies {
  let waiting: Tally[] = [];
  let open = new Map<string, Tally>();
  const addTo = (tally: Tally, atMs: number): boolean => {
    if (tally.taken || tally.count >= fullAt) return false;
    tally.count += 1;
    tally.lastAtMs = atMs;
    return true;
  };
  return {
    get size() {
      return waiting.length;
    },
    has: (key) => open.has(key),
    add: (key, content, atMs) => {
      const tally = open.get(key);
      if (tally !== undefined && addTo(tally, atMs)) {
        keepCommon(tally.content, content);
        return tally;
      }
      const begun = { content: { ...content }, count: 1, firstAtMs: atMs, lastAtMs: atMs, taken: false };
      waiting.push(begun);
      open.set(key, begun);
      return begun;
    },
    addTo,
    take: () => {
      const taken = waiting;
      for (const tally of taken) tally.taken = true;
      waiting = [];
      open = new Map();
      return taken;
    },
  };
}

function keepCommon(kept: EventContent, other: EventContent): void {
  if (kept.actorId !== other.actorId) kept.actorId = severalActors;
  if (kept.companyId !== other.companyId) kept.companyId = null;
  if (kept.secretKey !== other.secretKey) kept.secretKey = null;
  if (kept.version !== other.version) kept.version = null;
  if (kept.subject !== other.subject) kept.subject = null;
  if (kept.requestId !== other.requestId) kept.requestId = null;
  if (kept.address !== other.address) kept.address = null;
}
