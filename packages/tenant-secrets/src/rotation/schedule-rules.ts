import { durationMs, type RotationSchedule, TenantSecretsError } from "@repo/catalog";
import { isInWindow, isKnownZone, type Moments, momentsOf } from "./times-of-day.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

const mostIntervalMs = 400 * dayMs;
/** Long enough for two 29ths of February, of which one is missing in 2100. */
const lookAheadMs = 9 * 366 * dayMs;

export interface ScheduleBounds {
  /** The shortest time between two rotations. Default: an hour. */
  readonly leastMs?: number | undefined;
  /** For how long the replaced value stays active. */
  readonly overlapSeconds?: number | undefined;
}

/**
 * Called when a policy is saved. Forms of the fields are the wire schema's to check; this needs the time zone database, and what
 * a driver allows.
 *
 * @throws {TenantSecretsError} INVALID_INPUT
 */
export function checkSchedule(schedule: RotationSchedule, bounds: ScheduleBounds = {}): void {
  const { leastMs = hourMs, overlapSeconds = 0 } = bounds;
  requireZone(schedule);
  const { every, at, cron, zone = "UTC", beforeExpiry, window } = schedule;
  if (every !== undefined) requireBetween("every", durationMs(every), leastMs);
  if (beforeExpiry !== undefined) requireBetween("beforeExpiry", durationMs(beforeExpiry), leastMs);
  if (at !== undefined && window !== undefined && !isInWindow(window, at)) {
    throw refused("at is a time inside the window");
  }
  const intervals = every === undefined ? [] : [durationMs(every)];
  if (cron !== undefined) intervals.push(requireCron(cron, zone, leastMs));
  if (intervals.some((interval) => overlapSeconds * 1000 > interval)) {
    throw refused("the time between two rotations is at least as long as the overlap");
  }
}

/** @throws {TenantSecretsError} INVALID_INPUT if this process does not know the zone */
export function requireZone({ zone }: RotationSchedule): void {
  if (zone !== undefined && !isKnownZone(zone)) {
    throw refused("zone is a name in the time zone database, such as Europe/Berlin");
  }
}

function requireBetween(field: "every" | "beforeExpiry", duration: number, leastMs: number): void {
  if (duration < leastMs || duration > mostIntervalMs) {
    throw refused(`${field} is between ${inWords(leastMs)} and 400 days`);
  }
}

/** @returns the shortest time between two moments of the pattern */
function requireCron(cron: string, zone: string, leastMs: number): number {
  const moments = tryMoments(cron, zone);
  if (moments?.after(firstDay) === undefined) {
    throw refused("cron is five fields that come true, such as 0 3 1 * *");
  }
  const shortest = shortestInterval(tryMoments(cron, "UTC") ?? moments);
  if (shortest < leastMs) throw refused(`cron leaves at least ${inWords(leastMs)} between two rotations`);
  if (hasGapAbove(moments, mostIntervalMs)) {
    throw refused("cron leaves at most 400 days between two rotations");
  }
  return shortest;
}

/** A fixed day, so that a schedule is taken or refused whenever it is saved. */
const firstDay = Date.UTC(2025, 11, 31, 23, 59);

function tryMoments(cron: string, zone: string): Moments | undefined {
  try {
    return momentsOf(cron, zone);
  } catch {
    return undefined;
  }
}

/** The times of day of a pattern are the same on all of its days, so one day says it, and its end beside the next one's begin. */
function shortestInterval(moments: Moments): number {
  const first = moments.after(firstDay) ?? 0;
  const midnight = first - (first % dayMs);
  let shortest = dayMs;
  let last = first;
  for (let next = moments.after(first); next !== undefined && next < midnight + dayMs;) {
    shortest = Math.min(shortest, next - last);
    last = next;
    next = moments.after(last);
  }
  return Math.min(shortest, first + dayMs - last);
}

/** Looks once a month: months and days of the month are alike in all years but for the 29th of February and weekdays. */
function hasGapAbove(moments: Moments, mostMs: number): boolean {
  const step = 30 * dayMs;
  for (let time = firstDay; time < firstDay + lookAheadMs;) {
    const next = moments.after(time);
    if (next === undefined || next - time > mostMs - step) return true;
    time = next + step;
  }
  return false;
}

function inWords(duration: number): string {
  const [count, unit] =
    duration % hourMs === 0 ? [duration / hourMs, "hour"] : [duration / minuteMs, "minute"];
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

function refused(rule: string): TenantSecretsError {
  return new TenantSecretsError("INVALID_INPUT", `The schedule was refused: ${rule}.`, {
    fields: ["schedule"],
  });
}
