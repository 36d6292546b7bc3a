import { startDeadline } from "./deadline.ts";
import type { Deadline } from "./deadline.ts";

/**
 * Makes one request out of equal reads at once. Whoever comes while one is under way gets the answer of the next, which
 * begins after that: an answer is never older than its question, or a cache would keep what a write has just replaced.
 */
export type SharedReads<Answer> = (
  key: string,
  deadline: Deadline,
  read: (deadline: Deadline) => Promise<Answer>,
) => Promise<Answer>;

export function createSharedReads<Answer>(): SharedReads<Answer> {
  const reads = new Map<string, { readonly running: Promise<Answer>; next?: Promise<Answer> }>();

  const start = (key: string, read: () => Promise<Answer>): Promise<Answer> => {
    const running = read();
    const entry: { readonly running: Promise<Answer>; next?: Promise<Answer> } = { running };
    reads.set(key, entry);
    const end = () => {
      if (entry.next === undefined && reads.get(key) === entry) reads.delete(key);
    };
    running.then(end, end);
    return running;
  };

  return (key, deadline, read) => {
    const known = reads.get(key);
    if (known === undefined) return start(key, () => read(deadline));
    // It serves all who wait for it, so it gets the whole time that the first of them had.
    const startNext = () => start(key, () => read(startDeadline(deadline.durationMs)));
    known.next ??= known.running.then(startNext, startNext);
    return deadline.race(known.next);
  };
}
