import { expect, test } from "vitest";
import { durationInWords, inOneUnit, minutesOf, scheduleInWords } from "./rotation-schedule.ts";

test.each([
  [undefined, "Only when it is asked for"],
  [{ every: "P30D" }, "Every 30 days"],
  [{ every: "P1W", at: "03:00", zone: "Europe/Berlin" }, "Every 7 days at 03:00, Europe/Berlin"],
  [{ cron: "0 3 1 * *", zone: "Europe/Berlin" }, "On day 1 of each month at 03:00, Europe/Berlin"],
  [{ cron: "30 22 * * 7", zone: "UTC" }, "Every Sunday at 22:30, UTC"],
  [{ cron: "5 4 * * *", zone: "UTC" }, "Every day at 04:05, UTC"],
  [{ cron: "0 */6 * * mon-fri", zone: "UTC" }, "At the times of cron 0 */6 * * mon-fri, UTC"],
  [
    { every: "P90D", beforeExpiry: "PT36H", window: "22:00–04:00", zone: "UTC" },
    "Every 90 days, or 36 hours before it expires, from 22:00 to 04:00, UTC",
  ],
] as const)("%j is said as %s", (schedule, words) => {
  expect(scheduleInWords(schedule)).toBe(words);
});

test("a duration keeps its length in one unit", () => {
  const durations = ["P2W", "P1DT12H", "PT90M", "PT1H", "P1WT1M", "P400D"];
  expect(durations.map((each) => inOneUnit(minutesOf(each)))).toEqual([
    { count: 14, unit: "day" },
    { count: 36, unit: "hour" },
    { count: 90, unit: "minute" },
    { count: 1, unit: "hour" },
    { count: 10_081, unit: "minute" },
    { count: 400, unit: "day" },
  ]);
  expect([1, 60, 2880, 0].map(durationInWords)).toEqual(["1 minute", "1 hour", "2 days", "no time"]);
});
