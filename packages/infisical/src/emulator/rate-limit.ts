export interface Allowance {
  readonly headers: Record<string, string>;
  /** The text of the refusal, if the limit is passed. */
  readonly refused?: string;
}

/** Takes one request of a kind, such as of one route by one address, from the limit. */
export type RateLimiter = (kind: string) => Allowance;

/** Requests per minute, address and route of a self-hosted server in production mode, as recorded. */
const perMinuteInProduction = 40;
const windowMs = 60_000;

/** A fixed window of one minute per kind of request, like the server's middleware. */
export function createRateLimiter(limit: number | "production" | undefined): RateLimiter {
  const perMinute = limit === "production" ? perMinuteInProduction : limit;
  const windows = new Map<string, { count: number; endsAt: number }>();
  return (kind) => {
    if (perMinute === undefined) return { headers: {} };
    const now = Date.now();
    const open = windows.get(kind);
    const window = open !== undefined && now < open.endsAt ? open : { count: 0, endsAt: now + windowMs };
    window.count += 1;
    windows.set(kind, window);
    const seconds = Math.ceil((window.endsAt - now) / 1_000);
    const headers = {
      "x-ratelimit-limit": String(perMinute),
      "x-ratelimit-remaining": String(Math.max(0, perMinute - window.count)),
      "x-ratelimit-reset": String(seconds),
    };
    if (window.count <= perMinute) return { headers };
    return {
      headers: { ...headers, "retry-after": String(seconds) },
      refused: `Rate limit exceeded. Please try again in ${seconds} seconds`,
    };
  };
}
