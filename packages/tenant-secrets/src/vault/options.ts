import {
  type ExpiryOptions,
  type HistoryOptions,
  type ListOptions,
  maxGraceSeconds,
  maxReminderDays,
  type PendingOptions,
  type WriteOptions,
} from "@repo/catalog";
import { checkRequestId } from "../access/request-ids.ts";
import { refuseField } from "./authorize.ts";

/** The highest number that the database has room for. */
const maxVersion = 2_147_483_647;

/** How far ahead a list can look, in days: ten years. */
export const maxExpiresWithinDays = 3653;

/** How many such days a secret can have. */
export const maxReminders = 10;

/** @throws {TenantSecretsError} INVALID_INPUT, with the rule and nothing that was sent */
export function checkOptions(options: WriteOptions & PendingOptions): void {
  const { expectedVersion, pendingVersion, requestId, note, graceSeconds } = options;
  checkExpiry(options);
  if (expectedVersion !== undefined && !isBetween(expectedVersion, 0, Number.MAX_SAFE_INTEGER)) {
    throw refuseField("expectedVersion", "is a whole number, 0 for none yet");
  }
  if (pendingVersion !== undefined) checkVersion("pendingVersion", pendingVersion, 1);
  checkRequestId(requestId);
  if (note !== undefined && (note.length > 500 || !note.isWellFormed() || note.includes("\0"))) {
    throw refuseField("note", "has at most 500 characters of well-formed text without NUL");
  }
  if (graceSeconds !== undefined && !isBetween(graceSeconds, 0, maxGraceSeconds)) {
    throw refuseField("graceSeconds", `is a whole number of 0 to ${maxGraceSeconds}`);
  }
}

/** @throws {TenantSecretsError} INVALID_INPUT */
export function checkVersion(field: string, version: number, lowest: 0 | 1): void {
  if (!isBetween(version, lowest, maxVersion))
    throw refuseField(field, `is a whole number, ${lowest} or more`);
}

/** @throws {TenantSecretsError} INVALID_INPUT */
export function checkPage({ before, limit }: HistoryOptions): void {
  if (before !== undefined) checkVersion("before", before, 1);
  if (limit !== undefined && !isBetween(limit, 1, 100))
    throw refuseField("limit", "is a whole number of 1 to 100");
}

/** @throws {TenantSecretsError} INVALID_INPUT */
export function checkList({ expiresWithinDays }: ListOptions): void {
  if (expiresWithinDays !== undefined && !isBetween(expiresWithinDays, 0, maxExpiresWithinDays)) {
    throw refuseField("expiresWithinDays", `is a whole number of 0 to ${maxExpiresWithinDays}`);
  }
}

/** @throws {TenantSecretsError} INVALID_INPUT */
function checkExpiry({ expiresAt, reminderDays = [] }: ExpiryOptions): void {
  // What lies outside these years has another spelling, which the database does not read as the same time.
  const year = expiresAt?.getUTCFullYear();
  if (year !== undefined && !isBetween(year, 2000, 9999)) {
    throw refuseField("expiresAt", "is between the years 2000 and 9999");
  }
  if (
    reminderDays.length > maxReminders ||
    new Set(reminderDays).size < reminderDays.length ||
    !reminderDays.every((days) => isBetween(days, 1, maxReminderDays))
  ) {
    throw refuseField(
      "reminderDays",
      `has at most ${maxReminders} different whole numbers of 1 to ${maxReminderDays}`,
    );
  }
}

function isBetween(number: number, lowest: number, highest: number): boolean {
  return Number.isSafeInteger(number) && number >= lowest && number <= highest;
}
