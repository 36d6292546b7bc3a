import type { Count } from "./action-words.ts";
import { presets, type AuditSearch } from "./search.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** What a bar stands for. Days are of the browser's time zone, or of UTC. */
export interface Step {
  readonly unit: "hour" | "day" | "UTC day";
  readonly count: number;
}

const maxBars = 62;
/** The shortest first; hours divide a day. A longer time than 1,000 hours has no local days: the API counts it by days in UTC. */
const steps: readonly Step[] = [
  { unit: "hour", count: 1 },
  { unit: "hour", count: 3 },
  { unit: "hour", count: 6 },
  { unit: "day", count: 1 },
  { unit: "UTC day", count: 1 },
  { unit: "UTC day", count: 2 },
  { unit: "UTC day", count: 7 },
  { unit: "UTC day", count: 14 },
  { unit: "UTC day", count: 28 },
];
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
  /** Of one bar; undefined for a span that is too long for bars. */
  readonly step: Step | undefined;
}

/**
 * The span with the shortest bars of which it has at most 62. A preset begins and ends where a bar does, so that bars
 * and list are of the same time.
 *
 * @param now in milliseconds
 */
export function spanOf({ last: preset = "7d", from, to }: AuditSearch, now: number): Span {
  const isOpen = from === undefined || to === undefined;
  const begin = new Date(isOpen ? now - presets[preset].ms : from);
  const end = new Date(isOpen ? now : to);
  for (const step of steps) {
    const by = step.unit === "UTC day" ? "day" : "hour";
    const first = isOpen ? beginOf(begin, step) : begin;
    const last = isOpen ? endOf(end, step) : end;
    const counted = roundedOutwards(first, last, by);
    const isCounted = counted.buckets <= maxBuckets && isOfHours(first, step);
    if (isCounted && edgesOf(counted, step).length - 1 <= maxBars) {
      return { from: first, to: last, isOpen, by, step };
    }
  }
  return { from: begin, to: end, isOpen, by: "day", step: undefined };
}

/** As the API rounds a time. */
function roundedOutwards(from: Date, to: Date, by: Span["by"]) {
  const unit = by === "hour" ? hourMs : dayMs;
  const first = Math.floor(from.getTime() / unit) * unit;
  const last = Math.ceil(to.getTime() / unit) * unit;
  return { from: new Date(first), to: new Date(last), buckets: (last - first) / unit };
}

/** Hours are counted in UTC: where local days begin within one, they cannot be added up. */
function isOfHours(at: Date, { unit }: Step): boolean {
  return unit !== "day" || at.getTimezoneOffset() % 60 === 0;
}

/** Where the bar begins that a moment is in. */
function beginOf(at: Date, { unit, count }: Step): Date {
  if (unit === "hour") return new Date(Math.floor(at.getTime() / (count * hourMs)) * count * hourMs);
  const begin = new Date(at);
  if (unit === "day") begin.setHours(0, 0, 0, 0);
  else begin.setUTCHours(0, 0, 0, 0);
  return begin;
}

/** Where the bar ends that a moment is in; hours begin at multiples of them, days at any. */
function endOf(at: Date, step: Step): Date {
  const begin = beginOf(at, step);
  return begin.getTime() === at.getTime()
    ? begin
    : nextOf(begin, { ...step, count: step.unit === "hour" ? step.count : 1 });
}

/** Where the bar after one begins: local days have 23 to 25 hours. */
function nextOf(at: Date, { unit, count }: Step): Date {
  if (unit === "hour") return new Date(at.getTime() + count * hourMs);
  const next = beginOf(at, { unit, count });
  if (unit === "day") next.setDate(next.getDate() + count);
  else next.setUTCDate(next.getUTCDate() + count);
  return next;
}

/** Where bars begin, and the end of the last one. */
function edgesOf({ from, to }: Pick<Span, "from" | "to">, step: Step): readonly Date[] {
  const edges = [from];
  for (let next = nextOf(from, step); next < to; next = nextOf(next, step)) edges.push(next);
  return [...edges, to];
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
export function barsOf(summary: Summary, step: Step): readonly Bar[] {
  const edges = edgesOf(summary, step);
  return edges.slice(1).map((end, i) => {
    const start = edges[i] ?? end;
    const within = summary.buckets.filter(({ at }) => at >= start && at < end);
    const sum = (count: Count): number => within.reduce((total, bucket) => total + bucket[count], 0);
    return {
      from: start,
      to: end,
      reads: sum("reads"),
      reveals: sum("reveals"),
      changes: sum("changes"),
      denials: sum("denials"),
    };
  });
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
