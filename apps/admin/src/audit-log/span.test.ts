import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { presets, type AuditSearch } from "./search.ts";
import { barsOf, dayAfter, dayOf, spanOf, startOfDay, type Step } from "./span.ts";

const hour = 3_600_000;
const day = 24 * hour;
const now = Date.parse("2026-11-29T14:02:31.000Z");

/** Counts as the API answers them: rounded outwards, and only hours or days in which something was done. */
function answerTo(search: AuditSearch, times: readonly string[] = []) {
  const { from, to, by, step } = spanOf(search, now);
  const unit = by === "hour" ? hour : day;
  return {
    step,
    from: new Date(Math.floor(from.getTime() / unit) * unit),
    to: new Date(Math.ceil(to.getTime() / unit) * unit),
    buckets: times.map((at) => ({ at: new Date(at), reads: 1, reveals: 0, changes: 2, denials: 0 })),
  };
}

beforeEach(() => void vi.stubEnv("TZ", "UTC"));
afterEach(() => void vi.unstubAllEnvs());

/** The words as a browser in that zone has them, which keeps its zone. */
async function wordsIn(zone: string) {
  vi.stubEnv("TZ", zone);
  vi.resetModules();
  return import("./span-words.ts");
}

function shownBars({ step, ...answer }: ReturnType<typeof answerTo>) {
  return step === undefined ? [] : barsOf(answer, step);
}

describe("a span", () => {
  test.each([
    ["24h", { unit: "hour", count: 1 }, 24],
    ["7d", { unit: "hour", count: 3 }, 56],
    ["30d", { unit: "day", count: 1 }, 30],
    ["90d", { unit: "UTC day", count: 2 }, 45],
  ] as const)("of the last %s has bars of %o, and hardly more than %d of them", (last, step, least) => {
    const span = spanOf({ last }, now);
    expect(span).toMatchObject({ isOpen: true, step });
    expect(span.from.getTime()).toBeLessThanOrEqual(now - presets[last].ms);
    expect(span.to.getTime()).toBeGreaterThanOrEqual(now);
    const { length } = barsOf(answerTo({ last }), step);
    expect(length).toBeGreaterThanOrEqual(least);
    expect(length).toBeLessThanOrEqual(least + 1);
  });

  test("has at most 62 bars and 1,000 counts of an answer, or none", () => {
    for (let days = 1; days <= 1100; days++) {
      const from = "2026-01-01T00:30:00.000Z";
      const to = new Date(Date.parse(from) + days * day - 60_000).toISOString();
      const { step, ...answer } = answerTo({ from, to });
      const bars = step === undefined ? [] : barsOf(answer, step);
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
  const answer = answerTo({}, times);
  const bars = shownBars(answer);
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

describe("the days of bars", () => {
  test("begin at local midnights, also where the clocks change", async () => {
    const { wordsOfBar, wordsOfStep } = await wordsIn("Europe/Vienna");
    const search = { from: "2026-10-09T22:00:00.000Z", to: "2026-11-09T23:00:00.000Z" };
    const answer = answerTo(search, ["2026-10-24T21:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T22:00:00Z"]);
    expect(answer.step).toEqual({ unit: "day", count: 1 });
    const bars = shownBars(answer);
    expect(bars).toHaveLength(31);
    expect(bars.every(({ from }) => from.getHours() === 0)).toBe(true);
    const words = bars
      .filter(({ reads }) => reads > 0)
      .map((bar) => wordsOfBar(bar, { unit: "day", count: 1 }));
    expect(words).toEqual(["24 Oct 2026", "25 Oct 2026"]);
    expect(wordsOfStep({ unit: "day", count: 1 })).toBe(
      "A bar is one day, from midnight to midnight in Europe/Vienna.",
    );
  });

  test.each([
    ["of a longer time", "Europe/Vienna", { last: "90d" }],
    ["where midnight is within an hour of UTC", "Asia/Kolkata", { last: "30d" }],
  ] as const)("are those of UTC, and say so, %s", async (_, zone, search) => {
    const { wordsOfBar, wordsOfStep } = await wordsIn(zone);
    const answer = answerTo(search);
    const step: Step = { unit: "UTC day", count: search.last === "90d" ? 2 : 1 };
    expect(answer.step).toEqual(step);
    const [first] = shownBars(answer);
    expect(first?.from.toISOString()).toMatch(/T00:00:00/);
    expect(first && wordsOfBar(first, step)).toMatch(/^\d+ \w+ 2026(?: – \d+ \w+ 2026)? \(UTC\)$/);
    expect(wordsOfStep(step)).toMatch(/^A bar is (?:one day|2 days), from midnight to midnight in UTC\.$/);
  });
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
