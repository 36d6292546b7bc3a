import { z } from "zod";
import { maxValueBytes } from "../catalog/value-text.ts";
import { rule } from "../vocabulary/malformed-input.ts";

// The fields of operations, each with its one rule. A text that names something is bounded here and no more: what is wrong
// with it is for the part to say, and to audit, that looks it up.

/** The most secrets that a batch reads or writes. */
export const maxBatchSecrets = 100;
/** The longest time for which a replaced value stays active, in seconds: 30 days. */
export const maxGraceSeconds = 2_592_000;
/** The most days before its end that a credential is reminded of. */
export const maxReminderDays = 365;
/** How many such days a secret can have. */
const maxReminders = 10;
/** How far ahead a list can look, in days: ten years. */
export const maxExpiresWithinDays = 3653;
/** A year: the longest that one may ask of a copy, in milliseconds. */
export const maxCopyAgeMs = 31_536_000_000;
/** The highest version that the database has room for. */
const maxVersion = 2_147_483_647;

/** A company, by its subdomain. */
export const company = z.string().max(1000).describe("The company, by its subdomain");
export const secretKey = z.string().max(1000).describe("The name of a secret, such as STRIPE_SECRET_KEY");
/** Longer texts end here; the vault counts bytes, and says how many a value may have. */
export const value = z
  .string()
  .max(4 * maxValueBytes)
  .describe("The value as text, 1 to 65,536 bytes of UTF-8; of a secret with several fields, their JSON");
/** In an answer. */
export const version = z.int().min(0);

/** A whole number within bounds that the sender is told. */
export function wholeNumber(least: number, most: number) {
  const error = rule(`is a whole number of ${least} to ${most}`);
  return z.int({ error }).min(least, { error }).max(most, { error });
}

function atLeast(least: 0 | 1, most: number) {
  const error = rule(`is a whole number, ${least} or more`);
  return z.int({ error }).min(least, { error }).max(most, { error });
}

/** A version that is there, or may be. */
export const anyVersion = atLeast(0, maxVersion);
/** A version that was made here. */
export const madeVersion = atLeast(1, maxVersion);

const seenRule = rule("is a whole number, 0 for none yet");
export const expectedVersion = z
  .int({ error: seenRule })
  .min(0, { error: seenRule })
  .optional()
  .describe("Do it only if this is the current version, 0 for none yet; else it is a CONFLICT");

export const pendingVersion = madeVersion
  .optional()
  .describe("Do it only if this is the pending version; else it is a CONFLICT");

const requestId = z
  .string()
  .max(100, { error: rule("has 1 to 100 visible ASCII characters") })
  .regex(/^[\x21-\x7e]+$/, { error: rule("has 1 to 100 visible ASCII characters") })
  .optional()
  .describe("An id of this change: sent again within 24 hours, it is applied once");

const noteRule = rule("has at most 500 characters of well-formed text without NUL");
export const note = z
  .string()
  .max(500, { error: noteRule })
  .refine((text) => text.isWellFormed() && !text.includes("\0"), { error: noteRule })
  .optional()
  .describe("Why, for the history: not a secret");

/** As far as the database's own calendar and ISO 8601 with four digits go together. */
export const moment = z
  .date()
  .min(new Date("1970-01-01T00:00:00Z"))
  .max(new Date("9999-12-31T23:59:59.999Z"));

const yearRule = rule("is between the years 2000 and 9999");
/** Null: it does not expire, as far as anybody has said. */
export const expiresAt = z
  .date({ error: yearRule })
  .min(new Date("2000-01-01T00:00:00Z"), { error: yearRule })
  .max(new Date("9999-12-31T23:59:59.999Z"), { error: yearRule })
  .nullable()
  .describe("When it ends at its provider");

const remindersRule = rule(`has at most ${maxReminders} different whole numbers of 1 to ${maxReminderDays}`);
export const reminderDays = z
  .array(
    z
      .int({ error: remindersRule })
      .min(1, { error: remindersRule })
      .max(maxReminderDays, { error: remindersRule }),
  )
  .max(maxReminders, { error: remindersRule })
  .refine((days) => new Set(days).size === days.length, { error: remindersRule })
  .readonly()
  .optional()
  .describe("How many days before that to remind: 30,7,1 is the default");

/** Makes a change that is sent again apply once. */
export const request = {
  /**
   * An id of the caller's for this change: sent again within 24 hours with the same content, it applies once and gives the
   * same answer; with other content it is a CONFLICT.
   */
  requestId,
};
export type RequestOptions = Readonly<z.infer<z.ZodObject<typeof request>>>;

/** When the credential that is written ends at its provider. The next version starts without an end. */
export const expiry = {
  /** Left out or null: it does not expire, as far as anybody has said. */
  expiresAt: expiresAt.optional(),
  /** How many days before that a reminder is audited: at most ten, each 1 to 365. Default 30, 7 and 1. */
  reminderDays,
};

/** What becomes of earlier versions when another one becomes current. */
export const grace = {
  /**
   * For how long the version that is replaced stays active beside the new one, in seconds, at most 30 days. Default 0. At most
   * five earlier versions are active at once: one more is a CONFLICT.
   */
  graceSeconds: wholeNumber(0, maxGraceSeconds)
    .optional()
    .describe("For how long the value that is replaced stays active, at most 30 days"),
  /** Ends every window that is still open, such as after a leak; without it, a window that was promised lasts. */
  endGrace: z
    .boolean()
    .optional()
    .describe("End every grace window that is still open, such as after a leak"),
};
export type GraceOptions = Readonly<z.infer<z.ZodObject<typeof grace>>>;
