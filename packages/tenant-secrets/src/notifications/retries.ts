const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** Milliseconds after each failed attempt until the next one, as Svix retries: 10 attempts within 75 h 35 min 5 s. */
const delaysMs = [
  5 * second,
  5 * minute,
  30 * minute,
  2 * hour,
  5 * hour,
  10 * hour,
  14 * hour,
  20 * hour,
  24 * hour,
] as const;

export const mostAttempts = delaysMs.length + 1;

/** Receivers that all failed at the same time are not tried again at the same time. */
const jitter = 0.2;
const longestWaitMs = 24 * hour;

/**
 * When to try again.
 *
 * @param attempts that were made, with the one that just failed
 * @param askedMs what the other side asked for, if it did: honoured between our delay and a day
 * @param random 0 to 1
 * @returns milliseconds from now; undefined: give up
 */
export function retryDelayMs(
  attempts: number,
  askedMs: number | undefined,
  random: number = Math.random(),
): number | undefined {
  const scheduled = delaysMs[attempts - 1];
  if (scheduled === undefined) return undefined;
  const delay = scheduled * (1 - jitter + 2 * jitter * random);
  return Math.round(Math.min(Math.max(delay, askedMs ?? 0), Math.max(longestWaitMs, delay)));
}

/**
 * The header `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.
 *
 * @returns milliseconds from `now`; undefined for a text that is neither
 */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^[0-9]{1,15}$/.test(header.trim())) return Number(header) * 1000;
  if (!/^[A-Za-z]{3}, [0-9]{2} [A-Za-z]{3} [0-9]{4} [0-9:]{8} GMT$/.test(header.trim())) return undefined;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
