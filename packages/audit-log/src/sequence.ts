import { randomUUID } from "node:crypto";

interface Range {
  readonly first: number;
  count: number;
}

interface Stream {
  readonly id: string;
  next: number;
  lost: Range[];
  mergeAt: number;
}

/** The place of an event among those of its process. */
export interface EventNumber {
  readonly stream: Stream;
  readonly no: number;
}

/** Numbers that may be unused for good, and the number of the event that says so. */
export interface Gap extends Range {
  readonly number: EventNumber;
}

/**
 * Numbers a process's events from 1, so that one that was taken away from the end of the record, before it was sealed,
 * leaves a hole. A transaction that is undone leaves one as well, and so the log writes within a second what it knows of
 * them, as an event `record.gap`: its version is the first number, its count how many. They may be absent; they need not be,
 * since the answer to a COMMIT can be lost.
 *
 * A process that is killed writes no such event. What it had under way then, or had undone within that second, is a hole
 * beside its last events, and cannot be told from events that somebody took away there.
 */
export interface EventNumbers {
  take(): EventNumber;
  /** The event with this number was not committed, or it is not known whether it was. */
  lose(number: EventNumber): void;
  /** Whether {@link takeGaps} has something. */
  hasGaps(): boolean;
  /** What was lost since the last call, neighbours as one. */
  takeGaps(): Gap[];
}

/** @param highest a stream ends there, and the next begins: an event's columns say first number and count in 32 bits */
export function createEventNumbers(highest = 2_000_000_000): EventNumbers {
  let current = newStream();
  const torn = new Set<Stream>();
  const take = (stream: Stream): EventNumber => ({ stream, no: stream.next++ });
  return {
    take: () => {
      if (current.next > highest) current = newStream();
      return take(current);
    },
    lose: ({ stream, no }) => {
      torn.add(stream);
      stream.lost.push({ first: no, count: 1 });
      // In a long outage every event is lost, and nothing is taken: what is kept of them has to stay small.
      if (stream.lost.length < stream.mergeAt) return;
      stream.lost = merged(stream.lost);
      stream.mergeAt = Math.max(1000, 2 * stream.lost.length);
    },
    hasGaps: () => torn.size > 0,
    takeGaps: () => {
      const gaps = [...torn].flatMap((stream) => {
        const ranges = merged(stream.lost);
        stream.lost = [];
        return ranges.map((range) => ({ ...range, number: take(stream) }));
      });
      torn.clear();
      return gaps;
    },
  };
}

function newStream(): Stream {
  return { id: randomUUID(), next: 1, lost: [], mergeAt: 1000 };
}

function merged(ranges: readonly Range[]): Range[] {
  const result: Range[] = [];
  for (const { first, count } of ranges.toSorted((a, b) => a.first - b.first)) {
    const last = result.at(-1);
    if (last !== undefined && last.first + last.count === first) last.count += count;
    else result.push({ first, count });
  }
  return result;
}
