import type { RotationPolicy } from "./rotation-words.ts";

type Schedule = NonNullable<RotationPolicy["schedule"]>;

const units = [
  ["day", 1440],
  ["hour", 60],
  ["minute", 1],
] as const;

export type DurationUnit = (typeof units)[number][0];

/** The minutes of a duration in weeks, days, hours and minutes, such as P30D or PT12H. */
export function minutesOf(duration: string): number {
  const [, weeks, days, hours, minutes] =
    /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?$/.exec(duration) ?? [];
  return (
    Number(weeks ?? 0) * 10_080 + Number(days ?? 0) * 1440 + Number(hours ?? 0) * 60 + Number(minutes ?? 0)
  );
}

/** The largest unit of which it is a whole number. @param minutes at least 1 */
export function inOneUnit(minutes: number): { readonly count: number; readonly unit: DurationUnit } {
  const [unit, size] = units.find(([, of]) => minutes % of === 0) ?? units[2];
  return { count: minutes / size, unit };
}

/** "30 days"; "1 hour" */
export function durationInWords(minutes: number): string {
  if (minutes === 0) return "no time";
  const { count, unit } = inOneUnit(minutes);
  return `${count.toLocaleString("en-GB")} ${count === 1 ? unit : `${unit}s`}`;
}

/** A schedule as a sentence without its end, such as "Every 30 days at 03:00, Europe/Berlin". */
export function scheduleInWords(schedule: Schedule | undefined): string {
  if (schedule === undefined) return "Only when it is asked for";
  const { every, at, cron, beforeExpiry, window, zone } = schedule;
  const rules = [
    ...(every === undefined
      ? []
      : [`every ${durationInWords(minutesOf(every))}${at === undefined ? "" : ` at ${at}`}`]),
    ...(cron === undefined ? [] : [cronInWords(cron)]),
    ...(beforeExpiry === undefined ? [] : [`${durationInWords(minutesOf(beforeExpiry))} before it expires`]),
  ].join(", or ");
  const times = [
    ...(window === undefined ? [] : [`from ${window.replace(/[–-]/, " to ")}`]),
    ...(zone === undefined ? [] : [zone]),
  ];
  return [`${rules.charAt(0).toUpperCase()}${rules.slice(1)}`, ...times].join(", ");
}

const weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/** The usual patterns in words, and any other as it is. */
function cronInWords(cron: string): string {
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = cron.trim().split(/ +/);
  const isOneTime = /^\d{1,2}$/.test(minute) && /^\d{1,2}$/.test(hour) && month === "*";
  if (isOneTime) {
    const time = `at ${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`;
    const name = /^[0-7]$/.test(weekday) ? weekdays[Number(weekday)] : undefined;
    if (day === "*" && weekday === "*") return `every day ${time}`;
    if (day === "*" && name !== undefined) return `every ${name} ${time}`;
    if (/^\d{1,2}$/.test(day) && weekday === "*") return `on day ${day} of each month ${time}`;
  }
  return `at the times of cron ${cron}`;
}
