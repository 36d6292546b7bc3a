import type { Deadline } from "./deadline.ts";

/** A cap on the requests in flight. */
export interface Slots {
  /**
   * Waits for a slot, starts `work`, and keeps the slot until `work` has ended. The SDK cannot cancel a
   * request, which still burdens the server after its caller has given up. It therefore keeps its slot for `graceMs` more, but
   * not for the minutes that it may take, because a few such requests would occupy every slot.
   *
   * @param how `hopeless` rejects as soon as waiting for `work` is pointless. Urgent work precedes all waiting work, and
   *   may use the reserved slots
   */
  run<T>(
    deadline: Deadline,
    work: () => Promise<T>,
    how?: { readonly hopeless?: Promise<never>; readonly isUrgent?: boolean },
  ): Promise<T>;
}

/** @param reserved how many slots urgent work alone may use */
export function createSlots(size: number, graceMs: number, reserved = 1): Slots {
  // With a single slot there is nothing to keep free.
  const ordinarySize = Math.max(1, size - reserved);
  let busy = 0;
  const [urgentWaiting, ordinaryWaiting]: [(() => void)[], (() => void)[]] = [[], []];
  const release = () => {
    busy -= 1;
    const next = urgentWaiting.shift() ?? (busy < ordinarySize ? ordinaryWaiting.shift() : undefined);
    if (next === undefined) return;
    busy += 1;
    next();
  };
  const acquire = async (deadline: Deadline, isUrgent: boolean) => {
    const waiting = isUrgent ? urgentWaiting : ordinaryWaiting;
    if (busy < (isUrgent ? size : ordinarySize)) {
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
    async run(deadline, work, { hopeless, isUrgent = false } = {}) {
      await acquire(deadline, isUrgent);
      const running = work();
      const timely = deadline.race(running);
      const outcome = hopeless === undefined ? timely : Promise.race([timely, hopeless]);
      void endOf(running, outcome, graceMs).then(release);
      return outcome;
    },
  };
}

/** Resolves when `work` has ended, or `graceMs` after its caller stopped waiting. */
async function endOf(work: Promise<unknown>, outcome: Promise<unknown>, graceMs: number): Promise<void> {
  await Promise.allSettled([outcome]);
  const { promise: graceIsOver, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, graceMs).unref();
  await Promise.race([Promise.allSettled([work]), graceIsOver]);
  clearTimeout(timer);
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
