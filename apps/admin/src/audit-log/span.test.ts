import { describe, expect, test } from "vitest";
import { presets, type AuditSearch } from "./search.ts";
import { barsOf, dayAfter, dayOf, spanOf, startOfDay } from "./span.ts";

const hour = 3_600_000;
const day = 24 * hour;
const now = Date.parse("2026-11-29T14:02:31.000Z");

/** Counts as the API answers them: rounded outwards, and only hours or days in which something was done. */
function answerTo(search: AuditSearch, times: readonly string[] = []) {
  const { from, to, by, stepMs } = spanOf(search, now);
  const unit = by === "hour" ? hour : day;
  return {
    stepMs: stepMs ?? 0,
    from: new Date(Math.floor(from.getTime() / unit) * unit),
    to: new Date(Math.ceil(to.getTime() / unit) * unit),
    buckets: times.map((at) => ({ at: new Date(at), reads: 1, reveals: 0, changes: 2, denials: 0 })),
  };
}

describe("a span", () => {
  test.each([
    ["24h", hour, 24],
    ["7d", 3 * hour, 56],
    ["30d", day, 30],
    ["90d", 2 * day, 45],
  ] as const)("of the last %s has bars of %d ms, and hardly more than %d of them", (last, stepMs, least) => {
    const span = spanOf({ last }, now);
    expect(span).toMatchObject({ isOpen: true, stepMs });
    expect(span.from.getTime()).toBeLessThanOrEqual(now - presets[last].ms);
    expect(span.to.getTime()).toBeGreaterThanOrEqual(now);
    const { length } = barsOf(answerTo({ last }), stepMs);
    expect(length).toBeGreaterThanOrEqual(least);
    expect(length).toBeLessThanOrEqual(least + 1);
  });

  test("has at most 62 bars and 1,000 counts of an answer, or none", () => {
    for (let days = 1; days <= 1100; days++) {
      const from = "2026-01-01T00:30:00.000Z";
      const to = new Date(Date.parse(from) + days * day - 60_000).toISOString();
      const { stepMs, ...answer } = answerTo({ from, to });
      const bars = stepMs === 0 ? [] : barsOf(answer, stepMs);
      expect(bars.length).toBeLessThanOrEqual(62);
      expect(bars.length > 0).toBe(days < 1000);
    }
  });

  test("of two times is exactly between them", () => {
    const search = { from: "2026-11-24T00:30:00.000Z", to: "2026-11-24T09:45:00.000Z" };
    const span = spanOf(search, now);
    expect({ from: span.from.toISOString(), to: span.to.toISOString() }).toEqual(search);
    expect(span).toMatchObject({ isOpen: false, by: "hour" });
  });
});

test("bars are in order and without a gap, and add up what is within each", () => {
  const times = ["2026-11-29T09:00:00Z", "2026-11-29T11:00:00Z", "2026-11-29T12:00:00Z"];
  const { stepMs, ...answer } = answerTo({}, times);
  const bars = barsOf(answer, stepMs);
  for (const [i, bar] of bars.entries()) {
    expect(bar.from).toEqual(bars[i - 1]?.to ?? answer.from);
  }
  expect(bars.at(-1)?.to).toEqual(answer.to);
  const counted = bars.filter(({ reads }) => reads > 0);
  expect(counted).toEqual([
    expect.objectContaining({ from: new Date("2026-11-29T09:00:00Z"), reads: 2, changes: 4 }),
    expect.objectContaining({ from: new Date("2026-11-29T12:00:00Z"), reads: 1, changes: 2 }),
  ]);
});

test("a day that is typed begins at its local midnight, and ends at the next one", () => {
  const from = startOfDay("2026-03-29");
  expect(from === undefined ? "" : dayOf(from)).toBe("2026-03-29");
  const next = dayAfter("2026-03-29");
  expect(next === undefined ? "" : dayOf(next)).toBe("2026-03-30");
  expect(next?.getHours()).toBe(0);
  expect([startOfDay(""), startOfDay("x"), dayAfter("2026-13-40")]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
