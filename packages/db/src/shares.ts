import { DatabaseError } from "./errors.ts";

/** So that one company's calls leave connections to others, whatever it asks for. */
export interface Shares {
  /**
   * Runs `work` when fewer of the owner's than its share are under way. Others wait for their turn, in order.
   *
   * @throws {DatabaseError} unavailable, `COMPANY_BUSY`, where too many wait already, or this one has waited for too long;
   *   and whatever `work` throws
   */
  run<T>(owner: string, work: () => Promise<T>): Promise<T>;
}

export interface ShareOptions {
  /** How many of an owner's calls are under way at most. */
  readonly atOnce: number;
  /** How many of an owner's wait at most. */
  readonly maxWaiting: number;
  /** How long one waits at most, in milliseconds. */
  readonly timeoutMs: number;
  /** Whether calls skip the queue: while the server is unavailable there is nothing to share, and each call fails at once. */
  readonly isSuspended: () => boolean;
}

interface Owner {
  running: number;
  /** Each begins its call. In order. */
  readonly waiting: Set<() => void>;
}

export function createShares({ atOnce, maxWaiting, timeoutMs, isSuspended }: ShareOptions): Shares {
  const owners = new Map<string, Owner>();

  const turn = (owner: Owner): Promise<void> => {
    if (owner.running < atOnce || isSuspended()) {
      owner.running += 1;
      return Promise.resolve();
    }
    if (owner.waiting.size >= maxWaiting) return Promise.reject(busy());
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        owner.waiting.delete(begin);
        reject(busy());
      }, timeoutMs);
      owner.waiting.add(begin);
    });
  };

  /** Hands the slot directly to the next waiting call, so that no new call overtakes it. */
  const leave = (name: string, owner: Owner): void => {
    owner.running -= 1;
    for (const next of owner.waiting) {
      if (owner.running >= atOnce && !isSuspended()) break;
      owner.waiting.delete(next);
      owner.running += 1;
      next();
    }
    if (owner.running === 0) owners.delete(name);
  };

  return {
    run: async (name, work) => {
      const owner = owners.get(name) ?? { running: 0, waiting: new Set() };
      owners.set(name, owner);
      await turn(owner);
      try {
        return await work();
      } finally {
        leave(name, owner);
      }
    },
  };
}

function busy(): DatabaseError {
  return new DatabaseError("unavailable", "COMPANY_BUSY");
}
