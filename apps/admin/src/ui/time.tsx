import { useEffect, useState, type ReactNode } from "react";
import { Tooltip } from "./tooltip.tsx";

const relative = new Intl.RelativeTimeFormat("en-GB", { numeric: "auto", style: "short" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const dayOfYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const withZone = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });

const units = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
] as const;

/**
 * A time. `relative` is for lists ("3 hr ago", newly said each minute; further than 30 days away it is the day), `exact` for the
 * audit log (local, to the second), `until` for ends ("in 12 days (9 Dec)"). Hover or focus tells local time with zone, and UTC.
 */
export function Time({
  at,
  as = "relative",
}: {
  readonly at: Date;
  readonly as?: "relative" | "exact" | "until";
}): ReactNode {
  const now = useNow(as === "exact" ? undefined : 60_000);
  const said = { relative: () => ago(at, now), exact: () => exact.format(at), until: () => until(at, now) }[
    as
  ]();
  return (
    <Tooltip
      text={
        <>
          {withZone.format(at)}
          <br />
          {at
            .toISOString()
            .replace("T", " ")
            .replace(/\.\d+Z/, " UTC")}
        </>
      }
    >
      <time dateTime={at.toISOString()} tabIndex={0} className="whitespace-nowrap">
        {said}
      </time>
    </Tooltip>
  );
}

function ago(at: Date, now: number): string {
  const seconds = (at.getTime() - now) / 1000;
  if (Math.abs(seconds) > 30 * 86_400) {
    return at.getFullYear() === new Date(now).getFullYear() ? day.format(at) : dayOfYear.format(at);
  }
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return "just now";
}

function until(at: Date, now: number): string {
  const days = Math.ceil((at.getTime() - now) / 86_400_000);
  if (days <= 0) return `expired ${ago(at, now)}`;
  return `in ${days} ${days === 1 ? "day" : "days"} (${day.format(at)})`;
}

/** The time, newly read after so many milliseconds; undefined: never. */
export function useNow(everyMs: number | undefined): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (everyMs === undefined) return;
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** Whole seconds until then, counted down; 0 afterwards. */
export function useSecondsUntil(at: number): number {
  const [now, setNow] = useState(() => Date.now());
  const isOver = now >= at;
  useEffect(() => {
    if (isOver) return;
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [isOver]);
  return Math.max(0, Math.ceil((at - now) / 1000));
}
