import type { Deadline } from "./deadline.ts";

/** A cap on the requests in flight. */
export interface Slots {
  /**
   * Waits for a slot, starts `work`, and keeps the slot until `work` has ended, even when the caller's deadline
   * passed before: a request that the SDK cannot cancel still burdens the server.
   */
  run<T>(deadline: Deadline, work: () => Promise<T>): Promise<T>;
}

export function createSlots(size: number): Slots {
  let busy = 0;
  const waiting: (() => void)[] = [];
  const release = () => {
    const next = waiting.shift();
    if (next === undefined) busy -= 1;
    else next();
  };
  const acquire = async (deadline: Deadline) => {
    if (busy < size) {
      busy += 1;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.push(resolve);
    try {
      await deadline.race(promise);
    } catch (error) {
      const index = waiting.indexOf(resolve);
      // Not in the queue any more: the slot was handed over just as the deadline passed.
      if (index === -1) release();
      else waiting.splice(index, 1);
      throw error;
    }
  };
  return {
    async run(deadline, work) {
      await acquire(deadline);
      const running = work();
      running.then(release, release);
      return deadline.race(running);
    },
  };
}

/** Runs pieces of work that share a key one after another. */
export type Turns = <T>(key: string, deadline: Deadline, work: () => Promise<T>) => Promise<T>;

export function createTurns(): Turns {
  const last = new Map<string, Promise<void>>();
  return async (key, deadline, work) => {
    const before = last.get(key) ?? Promise.resolve();
    const { promise: done, resolve: finish } = Promise.withResolvers<void>();
    const mine = before.then(() => done);
    last.set(key, mine);
    try {
      await deadline.race(before);
      return await work();
    } finally {
      finish();
      if (last.get(key) === mine) last.delete(key);
    }
  };
}
