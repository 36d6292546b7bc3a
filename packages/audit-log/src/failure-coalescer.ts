import type { EventContent } from "./event.ts";
import { networkOf } from "./network.ts";
import { createCoalescer, type CoalescedEvent } from "./read-coalescer.ts";

/** Bounds what repeated attempts add to the audit log: beyond a limit, attempts that are alike are counted together. */
export interface FailureCoalescer {
  /**
   * @param nowMs by a monotonic clock
   * @param atMs Unix time, for the audit log
   * @returns whether the attempt gets an event of its own, as the first twenty of its group in a minute do; else it was counted
   */
  admits(content: EventContent, nowMs: number, atMs: number): boolean;
  /** The number of coalesced events. */
  readonly waiting: number;
  takeCoalesced(): CoalescedEvent[];
}

/** 1 minute. */
const windowMs = 60_000;
/** Twenty events of their own show the pattern of an attack; the count shows its size. */
const eventsOfTheirOwn = 20;

/**
 * @param maxGroups distinct groups of actor and network in memory. Beyond them attempts share a group, so that an attacker with
 *   many identities cannot exhaust the memory
 */
export function createFailureCoalescer(maxGroups = 10_000): FailureCoalescer {
  const coalescer = createCoalescer();
  let seen = new Map<string, number>();
  let windowFromMs = Number.NEGATIVE_INFINITY;
  const groupOf = (content: EventContent): string => {
    const { actorKind, action, outcome, reason, companyId, address } = content;
    const what = [actorKind, action, outcome, reason];
    // A caller without a credential can use a new name for every attempt.
    const actorId = actorKind === "anonymous" ? "" : content.actorId;
    for (const [level, fields] of [
      [...what, companyId, actorId, address === null ? null : networkOf(address)],
      [...what, companyId],
    ].entries()) {
      const group = JSON.stringify(fields);
      const limit = (level + 1) * maxGroups;
      const hasRoom = seen.has(group) || seen.size < limit;
      // Counts outlive their minute while the database is unavailable.
      if (hasRoom && (coalescer.has(group) || coalescer.size < limit)) return group;
    }
    return JSON.stringify(what);
  };
  return {
    get waiting() {
      return coalescer.size;
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
      coalescer.add(group, content, atMs);
      return false;
    },
    takeCoalesced: () => coalescer.take(),
  };
}
