import type { EventContent } from "./event.ts";

/** Events that are alike, counted. */
export interface CoalescedEvent {
  readonly content: EventContent;
  count: number;
  readonly firstAtMs: number;
  lastAtMs: number;
  taken: boolean;
}

/** Tallies by key, in the order of their first. */
export interface Coalescer {
  readonly size: number;
  has(key: string): boolean;
  /**
   * Counts one more under the key. What it does not have in common with the others there is left out of the content.
   *
   * @returns where it was counted
   */
  add(key: string, content: EventContent, atMs: number): CoalescedEvent;
  /** Counts one more of what was counted there before. @returns false where that is handed over already, or full */
  addTo(tally: CoalescedEvent, atMs: number): boolean;
  /** Hands over what there is, and begins anew. */
  take(): CoalescedEvent[];
}

/** The actor of a tally whose events are of several. */
const severalActors = "*";

/** Far below what the column `count` holds; then the key gets another tally. */
const fullAt = 1_000_000_000;

export function createCoalescer(): Coalescer {
  let waiting: CoalescedEvent[] = [];
  let open = new Map<string, CoalescedEvent>();
  const addTo = (tally: CoalescedEvent, atMs: number): boolean => {
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
        keepOnlyCommon(tally.content, content);
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

function keepOnlyCommon(common: EventContent, other: EventContent): void {
  if (common.actorId !== other.actorId) common.actorId = severalActors;
  if (common.companyId !== other.companyId) common.companyId = null;
  if (common.secretKey !== other.secretKey) common.secretKey = null;
  if (common.version !== other.version) common.version = null;
  if (common.subject !== other.subject) common.subject = null;
  if (common.requestId !== other.requestId) common.requestId = null;
  if (common.address !== other.address) common.address = null;
}
