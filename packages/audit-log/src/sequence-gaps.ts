import type { SealedEvent } from "./leaf.ts";

/** Events that a process numbered, and that are nowhere. */
export interface MissingNumbers {
  readonly writerId: string;
  readonly first: number;
  readonly count: number;
  /** Whether the process went on for long enough to have said that the numbers are unused. */
  readonly outlived: boolean;
}

/** Which numbers of each process were met. Events may come in any order. */
export interface SequenceGaps {
  /** @param sealedAtMs when the event's batch was sealed; undefined while it has none */
  add(event: SealedEvent, sealedAtMs: number | undefined): void;
  /** An event that is not as it was written says which number it has, and so that one is not missing as well. */
  excuse(event: SealedEvent): void;
  /**
   * @param settledAfterMs how long a process may take to say which numbers it did not use
   * @param retainedFromMs when the last of the batches was sealed whose events were removed for their age; undefined for none.
   *   Numbers from before are not missed
   */
  findMissing(settledAfterMs: number, retainedFromMs?: number): MissingNumbers[];
}

/** Numbers from `first` to `last`, met; the event at `first` was sealed at `atMs`. */
interface Run {
  first: number;
  last: number;
  atMs: number;
}

interface Writer {
  /** In order, with at least one number missing between two. */
  readonly runs: Run[];
  lastAtMs: number;
  /** What may be missing. */
  readonly excused: (readonly [first: number, last: number])[];
}

/** Events of a process are sealed in about the order of their numbers: none later than this after one with a higher number. */
const longestTransactionMs = 3_600_000;

export function createSequenceGaps(): SequenceGaps {
  const writers = new Map<string, Writer>();
  const writerOf = (id: string): Writer => {
    const known = writers.get(id) ?? { runs: [], lastAtMs: 0, excused: [] };
    writers.set(id, known);
    return known;
  };
  return {
    add: (event, sealedAtMs) => {
      if (event.writerId === null || event.sequenceNo === null) return;
      const writer = writerOf(event.writerId);
      if (event.action === "audit.unused-sequence-numbers" && event.version !== null) {
        writer.excused.push([event.version, event.version + event.count - 1]);
      }
      insert(writer.runs, event.sequenceNo, sealedAtMs ?? Infinity);
      writer.lastAtMs = Math.max(writer.lastAtMs, sealedAtMs ?? 0);
    },
    excuse: ({ writerId, sequenceNo }) => {
      if (writerId !== null && sequenceNo !== null) writerOf(writerId).excused.push([sequenceNo, sequenceNo]);
    },
    findMissing: (settledAfterMs, retainedFromMs = -Infinity) =>
      [...writers].flatMap(([id, { runs, lastAtMs, excused }]) => {
        const sorted = excused.toSorted(([a], [b]) => a - b);
        return runs.flatMap(({ first, atMs }, index) => {
          const isBeforeRetained =
            retainedFromMs > 0 && (index === 0 || atMs <= retainedFromMs + longestTransactionMs);
          if (isBeforeRetained) return [];
          return holesOf((runs[index - 1]?.last ?? 0) + 1, first - 1, sorted).map(([from, to]) => ({
            writerId: id,
            first: from,
            count: to - from + 1,
            outlived: lastAtMs - atMs >= settledAfterMs,
          }));
        });
      }),
  };
}

/** Numbers come nearly in order, so that the place is nearly always at the end. */
function insert(runs: Run[], sequenceNo: number, atMs: number): void {
  let index = runs.length;
  while (index > 0 && (runs[index - 1]?.first ?? 0) > sequenceNo) index--;
  const before = runs[index - 1];
  const after = runs[index];
  if (before !== undefined && sequenceNo <= before.last) return;
  const joinsBefore = before !== undefined && before.last === sequenceNo - 1;
  const joinsAfter = after !== undefined && after.first === sequenceNo + 1;
  if (joinsBefore && joinsAfter) {
    before.last = after.last;
    runs.splice(index, 1);
  } else if (joinsBefore) before.last = sequenceNo;
  else if (joinsAfter) {
    after.first = sequenceNo;
    after.atMs = atMs;
  } else runs.splice(index, 0, { first: sequenceNo, last: sequenceNo, atMs });
}

/** What is left from `first` to `last` without what is excused. */
function holesOf(
  first: number,
  last: number,
  excused: readonly (readonly [number, number])[],
): (readonly [number, number])[] {
  const holes: (readonly [number, number])[] = [];
  let next = first;
  for (const [from, to] of excused) {
    if (to < next) continue;
    if (from > last) break;
    if (from > next) holes.push([next, from - 1]);
    next = to + 1;
  }
  if (next <= last) holes.push([next, last]);
  return holes;
}
