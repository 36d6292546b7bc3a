import { InfisicalError } from "./errors.ts";

/** What one request is for: the server counts by route, we also by whose folder it is about. */
export interface Target {
  /** Method and kind of address, such as "GET secrets". */
  readonly route: string;
  /** The folder. */
  readonly path: string;
  /** Whether it is what a write needs to know what became of it; the write was counted. */
  readonly isPartOfWrite?: boolean;
}

/** What the server says of its rate limit along with an answer. */
export interface RateState {
  readonly limit: number;
  readonly remaining: number;
  readonly resetMs: number;
}

/**
 * Sees to it that no company uses up what the server allows all of us: in each minute and on each route, a company gets a
 * quarter of what is left, other processes' requests counted, and the last tenth is for what no company owns, such as
 * `/hono-api`. The limit is what the server tells; where it tells none, there is none.
 */
export interface RateBudget {
  /**
   * Counts one request that is about to be sent.
   *
   * @returns to be called when it has ended
   * @throws {InfisicalError} `RATE_LIMITED` with `isOwnLimit` and `retryAfterMs`, where it must not be sent
   */
  take(target: Target): () => void;
  learn(target: Target, state: RateState): void;
}

interface Window {
  endsAt: number;
  limit: number | undefined;
  /** Of the whole limit, by the last answer and what was sent since. */
  remaining: number;
  inFlight: number;
  readonly counts: Map<string, number>;
}

const windowMs = 60_000;
const companyShare = 1 / 4;
const reserveShare = 1 / 10;

/** @param requestsPerMinute the limit until the server tells it */
export function createRateBudget(requestsPerMinute: number | undefined): RateBudget {
  const windows = new Map<string, Window>();

  const windowOf = (route: string): Window => {
    const now = performance.now();
    const known = windows.get(route);
    if (known !== undefined && now < known.endsAt) return known;
    const limit = known?.limit ?? requestsPerMinute;
    const opened = {
      endsAt: now + windowMs,
      limit,
      remaining: limit ?? Infinity,
      inFlight: known?.inFlight ?? 0,
      counts: new Map<string, number>(),
    };
    windows.set(route, opened);
    return opened;
  };

  return {
    take({ route, path, isPartOfWrite = false }) {
      const window = windowOf(route);
      const owner = ownerOf(path);
      if (owner !== undefined && !isPartOfWrite) {
        const count = (window.counts.get(owner) ?? 0) + 1;
        const { limit, remaining } = window;
        if (count > Math.max(1, remaining * companyShare)) throw spent(window, ofCompany);
        if (limit !== undefined && remaining <= Math.ceil(limit * reserveShare)) throw spent(window, ofAll);
        window.counts.set(owner, count);
      }
      window.remaining -= 1;
      window.inFlight += 1;
      return () => {
        // Of the window that is open by then: the number goes on from one to the next.
        const current = windowOf(route);
        current.inFlight = Math.max(0, current.inFlight - 1);
      };
    },
    learn({ route }, { limit, remaining, resetMs }) {
      const window = windowOf(route);
      window.limit = limit;
      // The one that is being answered is counted there, and the others that are out may not be.
      window.remaining = remaining - Math.max(0, window.inFlight - 1);
      window.endsAt = performance.now() + resetMs;
    },
  };
}

/** The folder two levels down, such as `tenants/acmecorp`, owns everything below it; what is above belongs to no company. */
export function ownerOf(path: string): string | undefined {
  const [, top, own] = path.split("/");
  return own === undefined ? undefined : `${top}/${own}`;
}

/** Reads the three headers of the server's limiter. @returns undefined where it has none, or says something else with them */
export function parseRateState(header: (name: string) => string | null | undefined): RateState | undefined {
  const [limit, remaining, reset] = ["limit", "remaining", "reset"].map((name) => {
    const text = header(`x-ratelimit-${name}`);
    return text !== null && text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : undefined;
  });
  if (limit === undefined || remaining === undefined || reset === undefined || limit < 1) return undefined;
  return { limit, remaining, resetMs: Math.min(reset * 1_000, windowMs) };
}

const ofCompany =
  "this company has used up its share of the requests that Infisical allows in a minute; others still have theirs";
const ofAll =
  "what is left of the requests that Infisical allows in this minute is kept for the service's own keys";

function spent({ endsAt }: Window, sentence: string): InfisicalError {
  const retryAfterMs = Math.max(1, Math.ceil(endsAt - performance.now()));
  return new InfisicalError("RATE_LIMITED", { sentence, retryAfterMs, isOwnLimit: true });
}
