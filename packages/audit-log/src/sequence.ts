import { randomUUID } from "node:crypto";

interface Range {
  readonly first: number;
  count: number;
}

interface Writer {
  readonly id: string;
  next: number;
  lost: Range[];
  mergeAt: number;
}

/** The place of an event among those of its process. */
export interface SequenceNumber {
  readonly writer: Writer;
  readonly sequenceNo: number;
}

/** Numbers that may be unused for good, and the number of the event that says so. */
export interface UnusedNumbers extends Range {
  readonly number: SequenceNumber;
}

/**
 * Numbers a process's events from 1, so that one that was taken away from the end of the audit log, before it was sealed,
 * leaves a hole. A transaction that is undone leaves one as well, and so the log writes within a second what it knows of
 * them, as an event `audit.unused-sequence-numbers`: its version is the first number, its count how many. They may be absent; they need not be,
 * since the answer to a COMMIT can be lost.
 *
 * A process that is killed writes no such event. What it had under way then, or had undone within that second, is a hole
 * beside its last events, and cannot be told from events that somebody took away there.
 */
export interface Sequence {
  take(): SequenceNumber;
  /** The event with this number was not committed, or it is not known whether it was. */
  lose(number: SequenceNumber): void;
  /** Whether {@link takeUnused} has something. */
  hasUnused(): boolean;
  /** What was lost since the last call, neighbours as one. */
  takeUnused(): UnusedNumbers[];
}

/** @param highest a stream ends there, and the next begins: an event's columns say first number and count in 32 bits */
export function createSequence(highest = 2_000_000_000): Sequence {
  let current = newWriter();
  const torn = new Set<Writer>();
  const take = (writer: Writer): SequenceNumber => ({ writer, sequenceNo: writer.next++ });
  return {
    take: () => {
      if (current.next > highest) current = newWriter();
      return take(current);
    },
    lose: ({ writer, sequenceNo }) => {
      torn.add(writer);
      writer.lost.push({ first: sequenceNo, count: 1 });
      // In a long outage every event is lost, and nothing is taken: what is kept of them has to stay small.
      if (writer.lost.length < writer.mergeAt) return;
      writer.lost = merged(writer.lost);
      writer.mergeAt = Math.max(1000, 2 * writer.lost.length);
    },
    hasUnused: () => torn.size > 0,
    takeUnused: () => {
      const gaps = [...torn].flatMap((writer) => {
        const ranges = merged(writer.lost);
        writer.lost = [];
        return ranges.map((range) => ({ ...range, number: take(writer) }));
      });
      torn.clear();
      return gaps;
    },
  };
}

function newWriter(): Writer {
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
