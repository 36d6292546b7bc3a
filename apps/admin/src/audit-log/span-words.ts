import type { Bar, Step } from "./span.ts";

const formats = {
  local: formatsIn(undefined),
  UTC: formatsIn("UTC"),
};

function formatsIn(timeZone: string | undefined) {
  return {
    day: new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone }),
    time: new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone }),
  };
}

/** A span in local words: "24 Nov 2026", "24 Nov 2026, 12:00 – 15:00", "1 Nov 2026 – 24 Nov 2026". The end is not in it. */
export function wordsOfSpan(from: Date, to: Date, zone: keyof typeof formats = "local"): string {
  const { day, time } = formats[zone];
  const isWholeDays = [from, to].every((at) => time.format(at) === "00:00");
  const lastDay = day.format(new Date(to.getTime() - 1));
  const isOneDay = day.format(from) === lastDay;
  if (isWholeDays) return isOneDay ? day.format(from) : `${day.format(from)} – ${lastDay}`;
  return isOneDay
    ? `${day.format(from)}, ${time.format(from)} – ${time.format(to)}`
    : `${day.format(from)}, ${time.format(from)} – ${day.format(to)}, ${time.format(to)}`;
}

/** The time of a bar in words, in the zone whose days it has. */
export function wordsOfBar({ from, to }: Pick<Bar, "from" | "to">, { unit }: Step): string {
  return unit === "UTC day" ? `${wordsOfSpan(from, to, "UTC")} (UTC)` : wordsOfSpan(from, to);
}

/** What a bar is, and whose days. */
export function wordsOfStep({ unit, count }: Step): string {
  const units = `${count === 1 ? "one" : count} ${unit === "hour" ? "hour" : "day"}${count === 1 ? "" : "s"}`;
  const zone = {
    hour: "",
    day: `, from midnight to midnight in ${Intl.DateTimeFormat().resolvedOptions().timeZone}`,
    "UTC day": ", from midnight to midnight in UTC",
  }[unit];
  return `A bar is ${units}${zone}.`;
}
