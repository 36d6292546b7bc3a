import { Cron } from "croner";
import { LRUCache } from "lru-cache";
import { windowEnds } from "@repo/catalog";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** No day is longer, also where a clock is set back. */
const longestDayMs = 26 * hourMs;

/**
 * The moments of a pattern of five fields. Where clocks are set forward, a time of day that does not exist is the first moment
 * after the gap; where they are set back, one that exists twice is the first of the two. Patterns such as "every hour" skip
 * the first and take both of the second.
 */
export interface Moments {
  /** @returns the first moment after `time`; undefined if there is none */
  after(time: number): number | undefined;
}

/** @throws {TypeError | RangeError} if the pattern or the zone is none */
export function momentsOf(pattern: string, zone: string): Moments {
  const cron = new Cron(pattern, { timezone: zone, mode: "5-part", fixedTimeRule: "no-wildcard" });
  return { after: (time) => cron.nextRun(new Date(time))?.getTime() };
}

/** Intl takes a third of a millisecond to say it. */
const knownZones = new LRUCache<string, boolean>({ max: 1000 });

/** Whether the time zone database of this process has a zone. */
export function isKnownZone(zone: string): boolean {
  const known = knownZones.get(zone) ?? isZoneOfIntl(zone);
  knownZones.set(zone, known);
  return known;
}

function isZoneOfIntl(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

/** @param time such as "03:00" */
export function timeOfDay(time: string, zone: string): Moments {
  const [hour, minute] = time.split(":").map(Number);
  return momentsOf(`${minute} ${hour} * * *`, zone);
}

/** Minutes from midnight. */
const minutesOf = (time: string): number => {
  const [hour = 0, minute = 0] = time.split(":").map(Number);
  return hour * 60 + minute;
};

/** How long a window is open on a day without a change of the clock. */
const minutesOpen = ([opens, closes]: readonly [string, string]): number =>
  (minutesOf(closes) - minutesOf(opens) + 1440) % 1440;

/** Whether a time of day is inside a window, which does not contain its end. */
export function isInWindow(window: string, time: string): boolean {
  const ends = windowEnds(window);
  return (minutesOf(time) - minutesOf(ends[0]) + 1440) % 1440 < minutesOpen(ends);
}

export interface Opening {
  readonly opens: number;
  readonly closes: number;
}

/**
 * Finds when a window is open: once a day, and no longer than on other days. One that begins in a gap of the clock opens after
 * the gap. Where the clock is set back while it is open, it stays open.
 *
 * @returns for a time, the opening that contains it, or else the next one
 */
export function openingsOf(window: string, zone: string): (time: number) => Opening {
  const ends = windowEnds(window);
  const [opening, closing] = ends.map((end) => timeOfDay(end, zone));
  const longest = minutesOpen(ends) * 60_000;
  return (time) => {
    let opens = opening?.after(time - longestDayMs);
    while (opens !== undefined) {
      const closes = Math.min(closing?.after(opens) ?? Infinity, opens + longest);
      if (closes > time) return { opens, closes };
      opens = opening?.after(opens);
    }
    return { opens: time, closes: time + dayMs };
  };
}
