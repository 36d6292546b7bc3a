import { InfisicalError } from "./errors.ts";

/** A kind of request, which the server counts by itself. */
export type InfisicalRoute =
  | "GET secrets"
  | `${"GET" | "POST" | "PATCH" | "DELETE"} secret`
  | "GET folders"
  | "POST folders"
  | "DELETE folder"
  | "GET imports";

/** The target of one request. The server's limit is per route; ours is also per owner of the folder. */
export interface Target {
  readonly route: InfisicalRoute;
  /** The folder. */
  readonly path: string;
  /** Whether the request determines the outcome of a write. The write itself was counted already. */
  readonly isPartOfWrite?: boolean;
}

/** The rate limit as the headers of a response report it. */
export interface RateState {
  readonly limit: number;
  readonly remaining: number;
  readonly resetMs: number;
}

/**
 * Divides the server's rate limit fairly between companies. In each minute and on each route, a company gets a quarter of
 * the remaining requests, including those that other processes have used. The last tenth is reserved for paths that no company
 * owns, such as `/hono-api`. The server reports the limit; if it reports none, there is none.
 */
export interface RateBudget {
  /**
   * Takes one request from the budget before it is sent.
   *
   * @returns a function to call when the request has ended
   * @throws {InfisicalError} `RATE_LIMITED` with `isOwnLimit` and `retryAfterMs`, when it must not be sent
   */
  take(target: Target): () => void;
  learn(target: Target, state: RateState): void;
  /** What is left on this route, or on the one with the smallest part left; undefined where no limit is known. */
  rate(route?: InfisicalRoute): RateState | undefined;
}

interface Window {
  endsAt: number;
  limit: number | undefined;
  /** Remaining requests of the whole limit: the last response's number less the requests sent since. */
  remaining: number;
  inFlight: number;
  readonly requestsByOwner: Map<string, number>;
}

const windowMs = 60_000;
const companyShare = 1 / 4;
const reserveShare = 1 / 10;

/**
 * @param requestsPerMinute the limit until the server tells it
 * @param options.hasShares whether a company gets a quarter only. Without shares, the reserve is kept from all paths
 */
export function createRateBudget(
  requestsPerMinute: number | undefined,
  { hasShares }: { readonly hasShares: boolean } = { hasShares: true },
): RateBudget {
  const windows = new Map<InfisicalRoute, Window>();

  const windowOf = (route: InfisicalRoute): Window => {
    const now = performance.now();
    const known = windows.get(route);
    if (known !== undefined && now < known.endsAt) return known;
    const limit = known?.limit ?? requestsPerMinute;
    const opened = {
      endsAt: now + windowMs,
      limit,
      remaining: limit ?? Infinity,
      inFlight: known?.inFlight ?? 0,
      requestsByOwner: new Map<string, number>(),
    };
    windows.set(route, opened);
    return opened;
  };

  return {
    take({ route, path, isPartOfWrite = false }) {
      const window = windowOf(route);
      const owner = hasShares ? ownerOf(path) : undefined;
      if (!isPartOfWrite && (owner !== undefined || !hasShares)) {
        const count = owner === undefined ? 0 : (window.requestsByOwner.get(owner) ?? 0) + 1;
        const { limit, remaining } = window;
        if (count > Math.max(1, remaining * companyShare)) throw spent(window, ofCompany);
        if (limit !== undefined && remaining <= Math.ceil(limit * reserveShare)) throw spent(window, ofAll);
        if (owner !== undefined) window.requestsByOwner.set(owner, count);
      }
      window.remaining -= 1;
      window.inFlight += 1;
      return () => {
        // In the window that is current when the request ends: requests in flight carry over to the next window.
        const current = windowOf(route);
        current.inFlight = Math.max(0, current.inFlight - 1);
      };
    },
    learn({ route }, { limit, remaining, resetMs }) {
      const window = windowOf(route);
      window.limit = limit;
      // The server's number includes the request of this response, but perhaps not the others in flight.
      window.remaining = remaining - Math.max(0, window.inFlight - 1);
      window.endsAt = performance.now() + resetMs;
    },
    rate(route) {
      const known = route === undefined ? [...windows.values()] : [windows.get(route)];
      const states = known.flatMap((window) => (window === undefined ? [] : (stateOf(window) ?? [])));
      return states.toSorted((a, b) => a.remaining / a.limit - b.remaining / b.limit)[0];
    },
  };
}

/** A minute that is over has left its whole limit. */
function stateOf({ limit, remaining, endsAt }: Window): RateState | undefined {
  if (limit === undefined) return undefined;
  const resetMs = Math.ceil(endsAt - performance.now());
  return resetMs > 0
    ? { limit, remaining: Math.max(0, remaining), resetMs }
    : { limit, remaining: limit, resetMs: 0 };
}

/** The folder at the second level, such as `tenants/acmecorp`, owns everything below it. Paths above it have no owner. */
export function ownerOf(path: string): string | undefined {
  const [, top, own] = path.split("/");
  return own === undefined ? undefined : `${top}/${own}`;
}

/** Parses the three headers of the server's rate limiter. @returns undefined if they are missing or malformed */
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
  "the remaining requests that Infisical allows in this minute are reserved for the service's own keys";

function spent({ endsAt }: Window, sentence: string): InfisicalError {
  const retryAfterMs = Math.max(1, Math.ceil(endsAt - performance.now()));
  return new InfisicalError("RATE_LIMITED", { sentence, retryAfterMs, isOwnLimit: true });
}
