import { createHash } from "node:crypto";
import { durationMs, type RotationSchedule } from "@repo/catalog";
import { encodeFields } from "@repo/envelope";
import { requireZone } from "./schedule-rules.ts";
import { momentsOf, openingsOf, timeOfDay } from "./times-of-day.ts";

const hourMs = 3_600_000;
/** How far a seed moves a rotation at most, so that policies of the same time do not begin at once. */
const mostJitterMs = hourMs;
/** A moment that was moved into a window is no more than a day and two hours before it. */
const mostWaitMs = 26 * hourMs;

/** What a schedule is counted from. */
export interface ScheduleOrigin {
  /**
   * The end of the last run, the moment at which a person wrote a value, or the one at which the policy was made: whichever is
   * last. What is due is after it, so that times that were missed become one rotation.
   */
  readonly after: Date;
  /** When the current version became current, and when it ends at its provider. */
  readonly version?: { readonly since: Date; readonly expiresAt: Date | null } | undefined;
}

/**
 * When the next rotation is due. That is before `after` where the version is about to end: the rotation is due at once.
 *
 * @param schedule one that `checkSchedule` took
 * @param seed as from {@link jitterSeed}: 0 to 1
 * @returns undefined where a schedule has `beforeExpiry` alone, and the version no end
 * @throws {TenantSecretsError} INVALID_INPUT if this process does not know the schedule's zone
 */
export function nextDue(schedule: RotationSchedule, origin: ScheduleOrigin, seed: number): Date | undefined {
  requireZone(schedule);
  const settle = settling(schedule, seed);
  const dues = [
    byInterval(schedule, origin, settle),
    byCron(schedule, origin, settle),
    byExpiry(schedule, origin, settle),
  ].filter((due) => due !== undefined);
  return dues.length === 0 ? undefined : new Date(Math.min(...dues));
}

/** @returns a number of 0 to 1, the same for a policy each time, and spread evenly over policies */
export function jitterSeed(companyId: string, secretKey: string): number {
  const digest = createHash("sha256")
    .update(encodeFields(["rotation jitter", companyId, secretKey]))
    .digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}

/** A moment that a schedule names. */
interface Slot {
  readonly at: number;
  /** Until the next one: a tenth of it is what the seed may add. */
  readonly interval: number;
  /** What comes before this moment has to stay before it. */
  readonly before?: number;
}

interface Settled {
  /** The slot, or the opening of the window that it waits for. */
  readonly begins: number;
  readonly due: number;
}

type Settle = (slot: Slot) => Settled;

/** Moves a slot into the window, and then by the seed. */
function settling({ window, zone = "UTC" }: RotationSchedule, seed: number): Settle {
  const openingFor = window === undefined ? undefined : openingsOf(window, zone);
  return ({ at, interval, before = Infinity }) => {
    const opening = openingFor?.(at);
    const begins = Math.max(at, opening?.opens ?? at);
    const room = Math.min(opening?.closes ?? Infinity, before) - begins;
    return { begins, due: begins + Math.floor(seed * Math.min(interval / 10, mostJitterMs, room)) };
  };
}

function byInterval(
  { every, at, zone = "UTC" }: RotationSchedule,
  { after }: ScheduleOrigin,
  settle: Settle,
): number | undefined {
  if (every === undefined) return undefined;
  const interval = durationMs(every);
  const ends = after.getTime() + interval;
  const nearest = at === undefined ? ends : timeOfDay(at, zone).after(ends - 12 * hourMs);
  return settle({ at: nearest ?? ends, interval }).due;
}

function byCron(
  { cron, zone = "UTC", window }: RotationSchedule,
  { after }: ScheduleOrigin,
  settle: Settle,
): number | undefined {
  if (cron === undefined) return undefined;
  const moments = momentsOf(cron, zone);
  // A moment before `after` can be due after it, by its seed and by the window that it waits for.
  const earliest = after.getTime() - mostJitterMs - (window === undefined ? 0 : mostWaitMs);
  let at = moments.after(earliest);
  while (at !== undefined) {
    const next = moments.after(at);
    const { begins, due } = settle({ at, interval: (next ?? Infinity) - at, before: next ?? Infinity });
    // Of the moments that wait for the same opening, the last one counts.
    if (due > after.getTime() && (next === undefined || next > begins)) return due;
    at = next;
  }
  return undefined;
}

function byExpiry(
  { beforeExpiry }: RotationSchedule,
  { version }: ScheduleOrigin,
  settle: Settle,
): number | undefined {
  if (beforeExpiry === undefined || version === undefined || version.expiresAt === null) return undefined;
  const end = version.expiresAt.getTime();
  // A credential that lives for less than the lead would be due again as soon as it is made.
  const half = Math.max(0, end - version.since.getTime()) / 2;
  const lead = Math.min(durationMs(beforeExpiry), half);
  const { due } = settle({ at: end - lead, interval: lead });
  // The window gives way: a rotation outside of it is better than none before the end.
  return due < end ? due : end - lead;
}
