import type { Count } from "./action-words.ts";
import { presets, type AuditSearch } from "./search.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const maxBars = 62;
/** What a bar may stand for: hours that divide a day, then days. */
const steps = [1, 3, 6, 24, 48, 7 * 24, 14 * 24, 28 * 24].map((hours) => hours * hourMs);
/** The most hours or days of one answer of `audit.summary`. */
const maxBuckets = 1000;

/** A time to look at, and the bars that it is shown in. */
export interface Span {
  readonly from: Date;
  readonly to: Date;
  /** Whether it ends now: then the list has no end, so that it has the newest events. */
  readonly isOpen: boolean;
  /** What the API is to count by. */
  readonly by: "hour" | "day";
  /** Of one bar, in milliseconds; undefined for a span that is too long for bars. */
  readonly stepMs: number | undefined;
}

/**
 * The span with the shortest bars of which it has at most 62. A preset begins and ends where a bar does, so that bars
 * and list are of the same time.
 *
 * @param now in milliseconds
 */
export function spanOf({ last: preset = "7d", from, to }: AuditSearch, now: number): Span {
  const isOpen = from === undefined || to === undefined;
  const begin = isOpen ? now - presets[preset].ms : Date.parse(from);
  const end = isOpen ? now : Date.parse(to);
  for (const stepMs of steps) {
    const by = stepMs < dayMs ? "hour" : "day";
    const unit = by === "hour" ? hourMs : dayMs;
    const bar = Math.min(stepMs, dayMs);
    const first = isOpen ? floor(begin, bar) : begin;
    const last = isOpen ? ceil(end, bar) : end;
    const counted = ceil(last, unit) - floor(first, unit);
    if (counted / stepMs <= maxBars && counted / unit <= maxBuckets) {
      return { from: new Date(first), to: new Date(last), isOpen, by, stepMs };
    }
  }
  return { from: new Date(begin), to: new Date(end), isOpen, by: "day", stepMs: undefined };
}

export interface Bar extends Readonly<Record<Count, number>> {
  readonly from: Date;
  readonly to: Date;
}

interface Summary {
  readonly from: Date;
  readonly to: Date;
  readonly buckets: readonly (Readonly<Record<Count, number>> & { readonly at: Date })[];
}

/** All bars of an answer in order, also those in which nothing was done. */
export function barsOf({ from, to, buckets }: Summary, stepMs: number): readonly Bar[] {
  const begin = from.getTime();
  return Array.from({ length: Math.ceil((to.getTime() - begin) / stepMs) }, (_, i) => {
    const start = begin + i * stepMs;
    const end = Math.min(start + stepMs, to.getTime());
    const within = buckets.filter(({ at }) => at.getTime() >= start && at.getTime() < end);
    const sum = (count: Count): number => within.reduce((total, bucket) => total + bucket[count], 0);
    return {
      from: new Date(start),
      to: new Date(end),
      reads: sum("reads"),
      reveals: sum("reveals"),
      changes: sum("changes"),
      denials: sum("denials"),
    };
  });
}

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** A span in local words: "24 Nov 2026", "24 Nov 2026, 12:00 – 15:00", "1 Nov 2026 – 24 Nov 2026". The end is not in it. */
export function wordsOfSpan(from: Date, to: Date): string {
  const isWholeDays = isMidnight(from) && isMidnight(to);
  const lastDay = day.format(new Date(to.getTime() - 1));
  const isOneDay = day.format(from) === lastDay;
  if (isWholeDays) return isOneDay ? day.format(from) : `${day.format(from)} – ${lastDay}`;
  return isOneDay
    ? `${day.format(from)}, ${time.format(from)} – ${time.format(to)}`
    : `${day.format(from)}, ${time.format(from)} – ${day.format(to)}, ${time.format(to)}`;
}

/** The local day of a moment, as a field for days has it: 2026-11-24. */
export function dayOf(at: Date): string {
  const two = (part: number): string => String(part).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** @returns undefined for a text that is no day */
export function startOfDay(text: string): Date | undefined {
  const at = new Date(`${text}T00:00`);
  return Number.isNaN(at.getTime()) ? undefined : at;
}

/** The begin of the next day: days have 23 to 25 hours. */
export function dayAfter(text: string): Date | undefined {
  const at = startOfDay(text);
  at?.setDate(at.getDate() + 1);
  return at;
}

function isMidnight(at: Date): boolean {
  return at.getHours() === 0 && at.getMinutes() === 0;
}

function floor(at: number, unit: number): number {
  return Math.floor(at / unit) * unit;
}

function ceil(at: number, unit: number): number {
  return Math.ceil(at / unit) * unit;
}
