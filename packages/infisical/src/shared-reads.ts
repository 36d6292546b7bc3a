import { startDeadline } from "./deadline.ts";
import type { Deadline } from "./deadline.ts";

/**
 * Combines concurrent equal reads into one request. A read that arrives while a request is in flight shares the next
 * request, which starts later. A response is therefore never older than its read, and no cache stores a replaced value.
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
