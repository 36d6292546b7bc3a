import type { EventContent } from "./event.ts";

/** Events that are alike, as one with a count. */
export interface CoalescedEvent {
  readonly content: EventContent;
  count: number;
  readonly firstAtMs: number;
  lastAtMs: number;
  /** Whether it was handed over: it counts no more events. */
  taken: boolean;
}

/** Coalesced events by group, in the order of their first event. */
export interface Coalescer {
  readonly size: number;
  has(key: string): boolean;
  /**
   * Counts an event in its group. Fields that the events of a group do not share become null.
   *
   * @returns the coalesced event of the group
   */
  add(key: string, content: EventContent, atMs: number): CoalescedEvent;
  /** Counts one more event with the same content. @returns false where the coalesced event was handed over, or is full */
  addTo(event: CoalescedEvent, atMs: number): boolean;
  /** Hands over the coalesced events, and starts with none. */
  take(): CoalescedEvent[];
}

/** The actor id of a coalesced event of several actors. */
const severalActors = "*";

/** Below 2^31, the end of the column `count`. A full coalesced event is followed by another one. */
const fullAt = 1_000_000_000;

export function createCoalescer(): Coalescer {
  let waiting: CoalescedEvent[] = [];
  let open = new Map<string, CoalescedEvent>();
  const addTo = (event: CoalescedEvent, atMs: number): boolean => {
    if (event.taken || event.count >= fullAt) return false;
    event.count += 1;
    event.lastAtMs = atMs;
    return true;
  };
  return {
    get size() {
      return waiting.length;
    },
    has: (key) => open.has(key),
    add: (key, content, atMs) => {
      const event = open.get(key);
      if (event !== undefined && addTo(event, atMs)) {
        keepOnlyCommon(event.content, content);
        return event;
      }
      const begun = { content: { ...content }, count: 1, firstAtMs: atMs, lastAtMs: atMs, taken: false };
      waiting.push(begun);
      open.set(key, begun);
      return begun;
    },
    addTo,
    take: () => {
      const taken = waiting;
      for (const event of taken) event.taken = true;
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
