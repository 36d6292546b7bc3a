import { z } from "zod";
import { rule } from "../vocabulary/malformed-input.ts";

const durationForm = /^P(?!$)(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?=\d)(?:(\d{1,5})H)?(?:(\d{1,6})M)?)?$/;
const timeForm = /^(?:[01]\d|2[0-3]):[0-5]\d$/;
/** An en dash is what people write, a hyphen is what they type. */
const windowForm = /^((?:[01]\d|2[0-3]):[0-5]\d)[–-]((?:[01]\d|2[0-3]):[0-5]\d)$/;
const zoneForm = /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+){0,2}$/;
/** A question mark is missing: it would stand for the time at which the schedule is read. */
const cronForm = /^[0-9A-Za-z*,/#-]+(?: +[0-9A-Za-z*,/#-]+){4}$/;

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** How much time passes in a duration that has the form of {@link Duration}: days have 24 hours. */
export function durationMs(duration: string): number {
  const [, weeks, days, hours, minutes] = (durationForm.exec(duration) ?? []).map(Number);
  const of = (count: number | undefined, unit: number): number => (count ? count * unit : 0);
  return of(weeks, 7 * dayMs) + of(days, dayMs) + of(hours, hourMs) + of(minutes, minuteMs);
}

/** The two ends of a window that has the form of {@link RotationSchedule}'s, such as `["22:00", "04:00"]`. */
export function windowEnds(window: string): readonly [opens: string, closes: string] {
  const [, opens = "00:00", closes = "00:00"] = windowForm.exec(window) ?? [];
  return [opens, closes];
}

const durationRule = rule("is a duration in weeks, days, hours and minutes, such as P30D or PT12H");
const Duration = z.string().max(40, { error: durationRule }).regex(durationForm, { error: durationRule });

const timeRule = rule("is a time of day, such as 03:00");
const windowRule = rule("is two different times of day, such as 02:00–05:00");
const zoneRule = rule("is the name of a time zone, such as Europe/Berlin");
const cronRule = rule("has five fields, minute, hour, day, month and day of the week, such as 0 3 1 * *");
const needsZone = rule("is needed beside cron, at and window");
const needsDays = rule("is for an interval of whole days");
const needsSome = rule("has at least one of every, cron and beforeExpiry");

/** When a secret is rotated. Of several rules the one that comes first counts. */
export const RotationSchedule = z
  .strictObject({
    /** So long after the last rotation, or after a person wrote a value. */
    every: Duration.optional().describe("So long after the last rotation: P30D, PT12H"),
    /** The time of day nearest to the end of the interval. */
    at: z
      .string()
      .max(5, { error: timeRule })
      .regex(timeForm, { error: timeRule })
      .optional()
      .describe("The time of day, beside an interval of whole days: 03:00"),
    /** Five fields: minute, hour, day of the month, month, day of the week. */
    cron: z
      .string()
      .max(200, { error: cronRule })
      .regex(cronForm, { error: cronRule })
      .optional()
      .describe("Five fields of cron: 0 3 1 * *"),
    /** So long before the current version expires at its provider. A version without an end is not rotated by this. */
    beforeExpiry: Duration.optional().describe("So long before the credential ends at its provider: P7D"),
    /** The time zone of `at`, `cron` and `window`, by its name in the IANA database. */
    zone: z
      .string()
      .max(64, { error: zoneRule })
      .regex(zoneForm, { error: zoneRule })
      .optional()
      .describe("The time zone of the times: Europe/Berlin"),
    /** The only times of day at which a rotation begins. It may go over midnight. */
    window: z
      .string()
      .max(11, { error: windowRule })
      .regex(windowForm, { error: windowRule })
      .refine((text) => windowEnds(text)[0] !== windowEnds(text)[1], { error: windowRule })
      .optional()
      .describe("The only times of day at which a rotation begins: 02:00–05:00"),
  })
  .superRefine(({ every, at, cron, beforeExpiry, zone, window }, context) => {
    const refuse = (path: string[], message: string): void =>
      context.addIssue({ code: "custom", path, message });
    if (every === undefined && cron === undefined && beforeExpiry === undefined) refuse([], needsSome);
    const hasTimes = cron !== undefined || at !== undefined || window !== undefined;
    if (hasTimes && zone === undefined) refuse(["zone"], needsZone);
    if (at !== undefined && (every === undefined || durationMs(every) % dayMs !== 0))
      refuse(["at"], needsDays);
  })
  .readonly();
export type RotationSchedule = z.infer<typeof RotationSchedule>;
