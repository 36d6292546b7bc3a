import { expect, test } from "vitest";
import { mostAttempts, retryAfterMs, retryDelayMs } from "./retries.ts";

const hour = 3_600_000;

test("ten attempts are made within three days, and then no more", () => {
  const delays = Array.from({ length: mostAttempts }, (_, i) => retryDelayMs(i + 1, undefined, 0.5));
  expect(delays.at(-1)).toBeUndefined();
  const total = delays.reduce<number>((sum, delay) => sum + (delay ?? 0), 0);
  expect(total).toBe(75 * hour + 35 * 60_000 + 5_000);
});

test("each delay varies by a fifth", () => {
  expect([retryDelayMs(2, undefined, 0), retryDelayMs(2, undefined, 1)]).toEqual([240_000, 360_000]);
});

test("a receiver can ask for a later attempt, up to a day, and for no earlier one", () => {
  expect(retryDelayMs(1, 60_000, 0.5)).toBe(60_000);
  expect(retryDelayMs(1, 1_000_000_000_000, 0.5)).toBe(24 * hour);
  expect(retryDelayMs(2, 1_000, 0.5)).toBe(300_000);
  expect(retryDelayMs(9, 1_000_000_000_000, 1)).toBe(Math.round(28.8 * hour));
});

test("Retry-After is seconds or a date, and anything else says nothing", () => {
  const now = Date.parse("2026-11-30T00:00:00Z");
  expect(retryAfterMs("120", now)).toBe(120_000);
  expect(retryAfterMs("Mon, 30 Nov 2026 00:01:00 GMT", now)).toBe(60_000);
  expect(retryAfterMs("Thu, 01 Jan 1970 00:00:00 GMT", now)).toBe(0);
  for (const text of ["-1", "1e9", "soon", "", "9".repeat(40), "Mon, 99 Nov 2026 00:01:00 GMT"])
    expect(retryAfterMs(text, now)).toBeUndefined();
  expect(retryAfterMs(null, now)).toBeUndefined();
});
