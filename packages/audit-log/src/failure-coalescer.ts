import type { EventContent } from "./event.ts";
import { networkOf } from "./network.ts";
import { createCoalescer, type CoalescedEvent } from "./read-coalescer.ts";

/** Keeps attempts that can be made without end from filling the audit log: too many that are alike are counted instead. */
export interface FailureCoalescer {
  /**
   * Whether an attempt gets an event of its own: the first twenty of a group within a minute do. Any other was counted.
   *
   * @param nowMs of a clock that never goes back
   * @param atMs since 1970, for the audit log
   */
  admits(content: EventContent, nowMs: number, atMs: number): boolean;
  /** How many counts wait to be taken. */
  readonly waiting: number;
  takeCoalesced(): CoalescedEvent[];
}

const windowMs = 60_000;
const eventsOfTheirOwn = 20;

/**
 * @param maxGroups kept apart by actor and network; beyond them attempts are counted together, so that an attacker who can
 *   be many cannot fill the memory either
 */
export function createFailureCoalescer(maxGroups = 10_000): FailureCoalescer {
  const tallies = createCoalescer();
  let seen = new Map<string, number>();
  let windowFromMs = Number.NEGATIVE_INFINITY;
  const groupOf = (content: EventContent): string => {
    const { actorKind, action, outcome, reason, companyId, address } = content;
    const what = [actorKind, action, outcome, reason];
    // Whoever has no credential yet can give itself a new name every time.
    const actorId = actorKind === "anonymous" ? "" : content.actorId;
    for (const [level, fields] of [
      [...what, companyId, actorId, address === null ? null : networkOf(address)],
      [...what, companyId],
    ].entries()) {
      const group = JSON.stringify(fields);
      const limit = (level + 1) * maxGroups;
      const hasRoom = seen.has(group) || seen.size < limit;
      // Counts outlive their minute while the database is away.
      if (hasRoom && (tallies.has(group) || tallies.size < limit)) return group;
    }
    return JSON.stringify(what);
  };
  return {
    get waiting() {
      return tallies.size;
    },
    admits: (content, nowMs, atMs) => {
      if (nowMs - windowFromMs >= windowMs) {
        seen = new Map();
        windowFromMs = nowMs;
      }
      const group = groupOf(content);
      const before = seen.get(group) ?? 0;
      seen.set(group, before + 1);
      if (before < eventsOfTheirOwn) return true;
      tallies.add(group, content, atMs);
      return false;
    },
    takeCoalesced: () => tallies.take(),
  };
}
