import type { SealedEvent } from "./leaf.ts";

/** Sequence numbers of a writer without events. */
export interface MissingNumbers {
  readonly writerId: string;
  readonly first: number;
  readonly count: number;
  /** Whether the writer went on for long enough to have reported the numbers as unused. */
  readonly outlived: boolean;
  /** Whether they are missing around one of the given losses. */
  readonly lost: boolean;
}

/** A time from which events may be lost: from the last checkpoint that survived to the first one after it. */
export interface Loss {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Finds missing sequence numbers of each writer. Events may come in any order. */
export interface SequenceGaps {
  /** @param sealedAtMs when the event was sealed; undefined for an unsealed event */
  add(event: SealedEvent, sealedAtMs: number | undefined): void;
  /** Excuses the number of a changed event: the change is a finding of its own, and its number is not missing too. */
  excuse(event: SealedEvent): void;
  /**
   * @param settledAfterMs how long a writer may take to report unused numbers
   * @param retainedFromMs when the last pruned batch was sealed; undefined without one. Numbers before it are not missing
   * @param losses numbers that are missing between an event before the end of one and an event after its beginning are lost, with a tolerance of
   *   `settledAfterMs` on both sides: the report of unused numbers may be lost too
   */
  findMissing(settledAfterMs: number, retainedFromMs?: number, losses?: readonly Loss[]): MissingNumbers[];
}

/** Present numbers from `first` to `last`. The event of `first` was sealed at `atMs`, that of `last` at `endAtMs`. */
interface Run {
  first: number;
  last: number;
  atMs: number;
  endAtMs: number;
}

interface Writer {
  /** In order, with at least one missing number between two. */
  readonly runs: Run[];
  lastAtMs: number;
  /** Ranges that may be missing. */
  readonly excused: (readonly [first: number, last: number])[];
}

/** 1 hour: an event is sealed at most this long after one with a higher number, because no transaction lasts longer. */
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
    findMissing: (settledAfterMs, retainedFromMs = -Infinity, losses = []) =>
      [...writers].flatMap(([id, { runs, lastAtMs, excused }]) => {
        const sorted = excused.toSorted(([a], [b]) => a - b);
        return runs.flatMap(({ first, atMs }, index) => {
          const isBeforeRetained =
            retainedFromMs > 0 && (index === 0 || atMs <= retainedFromMs + longestTransactionMs);
          if (isBeforeRetained) return [];
          const endAtMs = runs[index - 1]?.endAtMs ?? -Infinity;
          const lost = losses.some(
            ({ fromMs, toMs }) => endAtMs <= toMs + settledAfterMs && atMs >= fromMs - settledAfterMs,
          );
          return holesOf((runs[index - 1]?.last ?? 0) + 1, first - 1, sorted).map(([from, to]) => ({
            writerId: id,
            first: from,
            count: to - from + 1,
            outlived: lastAtMs - atMs >= settledAfterMs,
            lost,
          }));
        });
      }),
  };
}

/** Searches from the end, because numbers come nearly in order. */
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
    before.endAtMs = after.endAtMs;
    runs.splice(index, 1);
  } else if (joinsBefore) {
    before.last = sequenceNo;
    before.endAtMs = atMs;
  } else if (joinsAfter) {
    after.first = sequenceNo;
    after.atMs = atMs;
  } else runs.splice(index, 0, { first: sequenceNo, last: sequenceNo, atMs, endAtMs: atMs });
}

/** The ranges from `first` to `last` that are not excused. */
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
