import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { durationMs, RotationSchedule, TenantSecretsError } from "@repo/catalog";
import { clockOf, type Range } from "../testing/clocks.ts";
import { jitterSeed, nextDue } from "./schedule.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const threeYears: Range = [Date.UTC(2026, 0, 1), Date.UTC(2029, 0, 1)];
const zones = [
  "Europe/Berlin",
  "America/New_York",
  // Its clock changes by half an hour, that of Santiago at midnight, that of Casablanca for Ramadan.
  "Australia/Lord_Howe",
  "Africa/Casablanca",
  "America/Santiago",
  "Asia/Kathmandu",
];
const clocks = new Map(zones.map((zone) => [zone, clockOf(zone, threeYears)]));
const clockIn = (zone: string) => clocks.get(zone) ?? clockOf(zone, threeYears);

/** The days around each change of the clock, or around a day in May where there is none. */
function aroundChanges(zone: string): Range[] {
  const { changes } = clockIn(zone);
  const days = changes.length > 0 ? changes : [Date.UTC(2027, 4, 1)];
  return days.map((change) => [change - 4 * dayMs, change + 4 * dayMs]);
}

/** All due times of a range, each one counted from the one before it. */
function dues(wire: object, [from, to]: Range, seed = 0): number[] {
  const schedule = RotationSchedule.parse(wire);
  const found: number[] = [];
  for (let after = new Date(from - 1); ;) {
    const due = nextDue(schedule, { after }, seed);
    if (due === undefined || due.getTime() >= to) return found;
    found.push(due.getTime());
    after = due;
  }
}

const minuteOf = (time: string): number => {
  const [hour = 0, minute = 0] = time.split(":").map(Number);
  return hour * 60 + minute;
};

function isInside(window: string, minute: number): boolean {
  const [opens = 0, closes = 0] = window.split("–").map(minuteOf);
  return opens < closes ? minute >= opens && minute < closes : minute >= opens || minute < closes;
}

describe.for(zones)("the clock of %s, minute by minute", (zone) => {
  const clock = clockIn(zone);

  test("a daily pattern comes once on each day of three years", () => {
    expect(dues({ cron: "30 2 * * *", zone }, threeYears)).toEqual(clock.moments([150], threeYears));
  });

  test("a monthly pattern comes once in each month of three years", () => {
    const firstDays = clock.moments([0], threeYears, (local) => local.getUTCDate() === 1);
    expect(dues({ cron: "0 0 1 * *", zone }, threeYears)).toEqual(firstDays);
  });

  test("a pattern of several hours comes once for each of them, or once after the gap that they are in", () => {
    for (const range of aroundChanges(zone)) {
      const outsideMondays = clock.moments([15, 75, 135, 195], range, (local) => local.getUTCDay() !== 1);
      expect(dues({ cron: "15 0-3 * * 0,2-6", zone }, range)).toEqual(outsideMondays);
    }
  });

  test("a time of day beside an interval of days stays the same over changes of the clock", () => {
    for (const [from, to] of aroundChanges(zone)) {
      for (const at of ["00:10", "02:20", "14:30"]) {
        const [first = 0, ...later] = dues({ every: "P1D", at, zone }, [from, to]);
        expect(later).toEqual(clock.moments([minuteOf(at)], [first + minuteMs, to]));
        const [one = 0, two = 0] = dues({ every: "P2D", at, zone }, [from, to]);
        expect(clock.moments([minuteOf(at)], [one, two + 1])).toHaveLength(3);
      }
    }
  });

  test("of a pattern that comes often, each window takes one", () => {
    for (const [from, to] of aroundChanges(zone)) {
      for (const window of ["02:00–05:00", "23:30–00:45"]) {
        const found = dues({ cron: "0 7,12,18 * * *", zone, window }, [from, to], 0.9);
        expect(found.length).toBeGreaterThanOrEqual(7);
        expect(found.length).toBeLessThanOrEqual(9);
        for (const due of found) expectInside(zone, window, due);
      }
    }
  });
});

/** Where the clock changes while a window is open, the window is open for as long as on other days. */
function expectInside(zone: string, window: string, due: number): void {
  const clock = clockIn(zone);
  if (clock.changes.some((change) => Math.abs(due - change) < hourMs)) return;
  expect(isInside(window, clock.minuteAt(due)), `${window} at ${new Date(due).toISOString()}`).toBe(true);
}

const time = fc
  .integer({ min: 0, max: 1439 })
  .map((minute) => new Date(minute * minuteMs).toISOString().slice(11, 16));
const schedules = fc
  .record(
    {
      zone: fc.constantFrom(...zones),
      cron: fc.constantFrom(
        "0 3 * * *",
        "7 * * * *",
        "30 2,14 * * *",
        "0 0 1 * *",
        "15 1 * * 7",
        "59 1-3 * * *",
      ),
      every: fc.constantFrom("PT1H", "PT90M", "P1D", "P1DT12H", "P30D"),
      window: fc
        .tuple(time, time)
        .filter(([opens, closes]) => opens !== closes)
        .map((ends) => ends.join("–")),
    },
    { requiredKeys: ["zone"] },
  )
  .filter(({ cron, every }) => cron !== undefined || every !== undefined);
/** Six months before the end of what is known of the clocks, and more: six rotations of a monthly schedule follow. */
const moments = fc.integer({ min: threeYears[0], max: threeYears[1] - 250 * dayMs });
const seeds = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe("a schedule", () => {
  test("is due later each time, inside its window, and not before its interval is over", () => {
    fc.assert(
      fc.property(schedules, moments, seeds, (wire, from, seed) => {
        const schedule = RotationSchedule.parse(wire);
        let after = from;
        for (let count = 0; count < 6; count += 1) {
          const due = nextDue(schedule, { after: new Date(after) }, seed)?.getTime() ?? 0;
          expect(due).toBeGreaterThan(after);
          if (wire.every !== undefined && wire.cron === undefined) {
            expect(due - after).toBeGreaterThanOrEqual(durationMs(wire.every));
          }
          if (wire.window !== undefined) expectInside(wire.zone, wire.window, due);
          after = due;
        }
      }),
      { numRuns: 200 },
    );
  });

  test("has the same next time however often it is asked before that time", () => {
    fc.assert(
      fc.property(schedules, moments, seeds, ({ zone, cron = "0 3 * * *", window }, from, seed) => {
        const schedule = RotationSchedule.parse({ zone, cron, window });
        const due = nextDue(schedule, { after: new Date(from) }, seed);
        const between = new Date(from + Math.floor(((due?.getTime() ?? 0) - from) * seed));
        expect(nextDue(schedule, { after: between }, seed)).toEqual(due);
      }),
      { numRuns: 200 },
    );
  });

  test("moves a rotation by a tenth of its interval at most, and by an hour at most", () => {
    const after = new Date("2027-06-01T12:00:00Z");
    const moved = (every: string): number => {
      const schedule = RotationSchedule.parse({ every });
      const [least, most] = [0, 1 - Number.EPSILON].map(
        (seed) => nextDue(schedule, { after }, seed)?.getTime() ?? 0,
      );
      return (most ?? 0) - (least ?? 0) + 1;
    };
    expect(moved("PT2H")).toBe(12 * minuteMs);
    expect(moved("P30D")).toBe(hourMs);
  });

  test("spreads policies evenly over that time, each one always by the same share", () => {
    const shares = Array.from({ length: 1000 }, (_, index) => jitterSeed("company", `CUSTOM_${index}`));
    expect(Math.min(...shares)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...shares)).toBeLessThan(1);
    const mean = shares.reduce((sum, share) => sum + share) / shares.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.05);
    expect(jitterSeed("company", "CUSTOM_1")).toBe(shares[1]);
    expect(jitterSeed("compan", "yCUSTOM_1")).not.toBe(shares[1]);
  });

  test("takes what comes first of several rules", () => {
    const after = new Date("2027-06-01T12:00:00Z");
    const version = { since: new Date("2027-05-01T00:00:00Z"), expiresAt: new Date("2027-07-01T00:00:00Z") };
    const rules = { every: "P30D", cron: "0 3 1 * *", beforeExpiry: "P7D", zone: "UTC" };
    const due = (wire: object) => nextDue(RotationSchedule.parse(wire), { after, version }, 0)?.toISOString();
    expect(due(rules)).toBe("2027-06-24T00:00:00.000Z");
    expect(due({ ...rules, beforeExpiry: "PT6H" })).toBe("2027-06-30T18:00:00.000Z");
    expect(due({ ...rules, every: "P20D" })).toBe("2027-06-21T12:00:00.000Z");
    expect(due({ cron: "0 3 1 * *", zone: "UTC" })).toBe("2027-07-01T03:00:00.000Z");
  });
});

describe("a window on the day on which the clocks of Berlin leave out the hour after 02:00", () => {
  const due = (cron: string, window: string, after: string) => {
    const schedule = RotationSchedule.parse({ cron, window, zone: "Europe/Berlin" });
    return nextDue(schedule, { after: new Date(after) }, 0.9)?.toISOString();
  };

  test("closes at its own time, though less time has passed", () => {
    expect(due("20 3 * * *", "01:30–03:30", "2027-03-28T00:00:00Z")).toBe("2027-03-28T01:29:00.000Z");
  });

  test("opens after the hour that is left out, and no longer than on other days", () => {
    expect(due("0 0 * * *", "02:00–03:00", "2027-03-28T00:00:00Z")).toBe("2027-03-28T01:54:00.000Z");
    expect(due("0 12 * * *", "02:00–03:00", "2027-03-28T03:00:00Z")).toBe("2027-03-29T00:54:00.000Z");
  });
});

test("a zone that this process does not know is an error, and no other time", () => {
  const schedule = RotationSchedule.parse({ cron: "0 3 * * *", zone: "Mars/Olympus" });
  expect(() => nextDue(schedule, { after: new Date() }, 0)).toThrow(TenantSecretsError);
});

describe("before the end of a credential", () => {
  const schedule = RotationSchedule.parse({ beforeExpiry: "P7D" });
  const after = new Date("2027-06-01T00:00:00Z");
  const due = (since: string, expiresAt: string | null) =>
    nextDue(
      schedule,
      {
        after,
        version: { since: new Date(since), expiresAt: expiresAt === null ? null : new Date(expiresAt) },
      },
      0,
    )?.toISOString();

  test("a credential without an end is not due", () => {
    expect(due("2027-01-01", null)).toBeUndefined();
    expect(nextDue(schedule, { after }, 0)).toBeUndefined();
  });

  test("one that has ended, or ends within the lead, is due at once", () => {
    expect(due("2027-01-01", "2027-05-30T00:00:00Z")).toBe("2027-05-23T00:00:00.000Z");
    expect(due("2027-01-01", "2027-06-02T00:00:00Z")).toBe("2027-05-26T00:00:00.000Z");
  });

  test("one that lives for less than the lead is due after half of its life, and not as soon as it is made", () => {
    expect(due("2027-06-01", "2027-06-05T00:00:00Z")).toBe("2027-06-03T00:00:00.000Z");
  });

  test("a window that would open after the end is not waited for", () => {
    const narrow = RotationSchedule.parse({ beforeExpiry: "PT2H", window: "02:00–03:00", zone: "UTC" });
    const version = { since: new Date("2027-01-01"), expiresAt: new Date("2027-06-10T13:00:00Z") };
    expect(nextDue(narrow, { after, version }, 0.5)?.toISOString()).toBe("2027-06-10T11:00:00.000Z");
  });
});
