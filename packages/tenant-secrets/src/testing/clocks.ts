// Clocks of time zones, minute by minute: what schedules are compared with.

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** From a moment on, what a zone's clocks are ahead of UTC. */
interface Change {
  readonly at: number;
  readonly offset: number;
}

export interface Clock {
  /** The moments at which the clock is set forward or back. */
  readonly changes: readonly number[];
  /** The minute of the day that the clock shows. */
  minuteAt(time: number): number;
  /**
   * Every moment at which the clock comes to a time of day: of one that it shows twice the first, and for one that it leaves out
   * the moment after.
   *
   * @param minutes of the day
   * @param isDay says of a local date at UTC whether it counts
   */
  moments(minutes: readonly number[], range: Range, isDay?: (local: Date) => boolean): number[];
}

export type Range = readonly [from: number, to: number];

/** Reads the clock hour by hour from Intl. */
export function clockOf(zone: string, [from, to]: Range): Clock {
  const offsetAt = offsetsOf(zone);
  const first = from - 10 * dayMs;
  const changes: Change[] = [{ at: first, offset: offsetAt(first) }];
  for (let time = first; time < to + 10 * dayMs; time += hourMs) {
    const offset = offsetAt(time);
    if (offset === changes.at(-1)?.offset) continue;
    let at = time;
    while (offsetAt(at - minuteMs) === offset) at -= minuteMs;
    changes.push({ at, offset });
  }
  const local = (time: number): number => time + (changes.findLast(({ at }) => at <= time)?.offset ?? 0);
  return {
    changes: changes.slice(1).map(({ at }) => at),
    minuteAt: (time) => Math.floor((local(time) % dayMs) / minuteMs),
    moments: (minutes, [begin, finish], isDay = () => true) => {
      const found: number[] = [];
      let latest = local(begin - minuteMs);
      for (let time = begin; time < finish; time += minuteMs) {
        const shown = local(time);
        for (let wall = latest + minuteMs; wall <= shown; wall += minuteMs) {
          if (!minutes.includes((wall % dayMs) / minuteMs) || !isDay(new Date(wall))) continue;
          if (found.at(-1) !== time) found.push(time);
        }
        latest = Math.max(latest, shown);
      }
      return found;
    },
  };
}

function offsetsOf(zone: string): (time: number) => number {
  const format = new Intl.DateTimeFormat("en", { timeZone: zone, timeZoneName: "longOffset" });
  return (time) => {
    const name = format.formatToParts(time).find(({ type }) => type === "timeZoneName")?.value ?? "";
    const [, sign, hours = "0", minutes = "0"] = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(name) ?? [];
    return (sign === "-" ? -1 : 1) * (Number(hours) * hourMs + Number(minutes) * minuteMs);
  };
}
