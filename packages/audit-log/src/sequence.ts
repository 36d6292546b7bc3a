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

/** The place of an event among the events of its writer, which is one process. */
export interface SequenceNumber {
  readonly writer: Writer;
  readonly sequenceNo: number;
}

/** Sequence numbers that may stay unused, and the number of the event that reports them. */
export interface UnusedNumbers extends Range {
  readonly number: SequenceNumber;
}

/**
 * Numbers the events of a process from 1, so that a removed event leaves a gap even where it was not sealed yet. A transaction
 * that rolls back leaves a gap too. Within a second the audit log reports it by an event `audit.unused-sequence-numbers`,
 * whose version is the first number and whose count is how many. A reported number may be used all the same, because the
 * answer to a COMMIT can be lost.
 *
 * A process that is killed reports nothing. Its transactions of the last second are gaps beside its last events, which cannot
 * be told from removed events.
 */
export interface Sequence {
  take(): SequenceNumber;
  /** Marks a number as unused: its event was not committed, or may not have been. */
  lose(number: SequenceNumber): void;
  /** Whether {@link takeUnused} would return numbers. */
  hasUnused(): boolean;
  /** Hands over the unused numbers since the last call, neighbours as one range. */
  takeUnused(): UnusedNumbers[];
}

/** @param highest number of one writer id. A new id follows, because an event reports first number and count in 32 bits */
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
      // A long outage loses every event, and nothing is handed over: merged ranges keep the list small.
      if (writer.lost.length < writer.mergeAt) return;
      writer.lost = merged(writer.lost);
      writer.mergeAt = Math.max(1000, 2 * writer.lost.length);
    },
    hasUnused: () => torn.size > 0,
    takeUnused: () => {
      const unused = [...torn].flatMap((writer) => {
        const ranges = merged(writer.lost);
        writer.lost = [];
        return ranges.map((range) => ({ ...range, number: take(writer) }));
      });
      torn.clear();
      return unused;
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
