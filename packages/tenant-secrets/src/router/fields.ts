import { z } from "zod";
import { maxGraceSeconds, maxReminderDays, maxValueBytes } from "@repo/catalog";
import { maxReminders } from "../vault/options.ts";

/** Any text of these: what is wrong with one is for whoever knows the rule to say, and to put in the audit log. */
export const company = z.string().max(1000);
export const secretKey = z.string().max(1000);

/** As far as the database's own calendar and ISO 8601 with four digits go together. */
export const moment = z
  .date()
  .min(new Date("1970-01-01T00:00:00Z"))
  .max(new Date("9999-12-31T23:59:59.999Z"));

export const version = z.int().min(0);

/** Longer ones end here; the vault counts bytes, and says how many there may be. */
export const value = z.string().max(4 * maxValueBytes);

export const expectedVersion = version.optional();
export const pendingVersion = z.int().min(1).optional();
export const requestId = z.string().min(1).max(100).optional();
export const note = z.string().max(500).optional();
export const reminderDays = z
  .array(z.int().min(1).max(maxReminderDays))
  .max(maxReminders)
  .readonly()
  .optional();
/** When what is written ends at its provider. */
export const expiry = { expiresAt: moment.nullable().optional(), reminderDays };
/** Which earlier values go on to count. */
export const grace = {
  graceSeconds: z.int().min(0).max(maxGraceSeconds).optional(),
  endGrace: z.boolean().optional(),
};

export const Capabilities = z.object({
  conditionalWrites: z.boolean(),
  requestIds: z.boolean(),
  recovery: z.boolean(),
  notes: z.boolean(),
  surroundingWhiteSpace: z.boolean(),
  history: z.boolean(),
  stages: z.boolean(),
  rollback: z.boolean(),
  purge: z.boolean(),
  bulk: z.boolean(),
  expiry: z.boolean(),
  checks: z.boolean(),
});

export const Check = z.object({ result: z.enum(["accepted", "rejected", "unknown"]), checkedAt: z.date() });

/** API keys that outlive the access of whoever made them. */
export const MadeKeys = z.object({
  apiKeys: z
    .array(
      z.object({
        id: z.uuid(),
        name: z.string(),
        platform: z.boolean(),
        companies: z.array(z.string()).readonly(),
        expiresAt: z.date(),
      }),
    )
    .readonly(),
  revoked: z.boolean(),
});
