import type { Role } from "@repo/catalog";
import { z } from "zod";
import { UsageError } from "./failure.ts";
import { printable } from "./output.ts";

const dayMs = 24 * 3600 * 1000;
const unitsMs = new Map([
  ["m", 60 * 1000],
  ["h", 3600 * 1000],
  ["d", dayMs],
]);

/** @param duration "90d", "12h" or "30m" @throws {UsageError} */
function durationMs(option: string, duration: string): number {
  const [, count, unit = ""] = /^([1-9]\d{0,5})([mhd])$/.exec(duration) ?? [];
  const unitMs = unitsMs.get(unit);
  if (count === undefined || unitMs === undefined) {
    throw new UsageError(`--${option} is a number and m, h or d: 30m, 12h, 90d.`);
  }
  return Number(count) * unitMs;
}

/** @returns when something expires that lasts for `duration`. @throws {UsageError} */
export function expiryAfter(duration: string): Date {
  return new Date(Date.now() + durationMs("expires-in", duration));
}

/**
 * A day, which is its beginning in UTC, or a time with an offset, as RFC 3339 has them.
 *
 * @throws {UsageError}
 */
function dateOf(option: string, text: string, also = ""): Date {
  // In RFC 3339 the letters may be small.
  const known = Day.or(Time).safeParse(text.toUpperCase());
  if (known.success) return new Date(known.data);
  throw new UsageError(
    `--${option} is a day (2027-01-31, from its beginning in UTC) or a time with its offset from UTC (2027-01-31T12:00:00Z, 2027-01-31T12:00:00+01:00)${also}.`,
  );
}

/** A day, which is its beginning, or a time, in UTC. @throws {UsageError} */
export function timeOf(option: string, text: string): Date {
  const time = new Date(text);
  const form = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z)?$/;
  if (!form.test(text) || Number.isNaN(time.getTime())) {
    throw new UsageError(`--${option} is a day or a time in UTC: 2026-01-31 or 2026-01-31T12:00:00Z.`);
  }
  return time;
}

const Day = z.iso.date();
const Time = z.iso.datetime({ offset: true });

/** @param text "30,7,1" @throws {UsageError} */
export function reminderDaysOf(text: string | undefined): number[] | undefined {
  return text?.split(",").map((days) => wholeNumber("remind", days.trim()));
}

/** What `expire --at` says; null for "never". @throws {UsageError} */
export function expiryOf(text: string): Date | null {
  return text === "never" ? null : dateOf("at", text, ', or "never"');
}

/** The expiry and reminders of the written version, from `--expires-at` and `--remind`. @throws {UsageError} */
export function newExpiryOf(values: {
  readonly "expires-at"?: string | undefined;
  readonly remind?: string | undefined;
}) {
  const text = values["expires-at"];
  return {
    expiresAt: text === undefined ? undefined : dateOf("expires-at", text),
    reminderDays: reminderDaysOf(values.remind),
  };
}

/** What an option says that takes a duration. @throws {UsageError} */
export function secondsOf(option: string, duration: string): number {
  return durationMs(option, duration) / 1000;
}

const longestCopyAgeMs = 365 * dayMs;

/** What `--max-age` says. @throws {UsageError} */
export function maxAgeOf(duration: string | undefined): number | undefined {
  if (duration === undefined) return undefined;
  const ageMs = durationMs("max-age", duration);
  if (ageMs > longestCopyAgeMs) throw new UsageError("--max-age is at most 365d.");
  return ageMs;
}

const longestGraceMs = 30 * dayMs;

/** What `--grace` says. @throws {UsageError} */
export function graceSecondsOf(duration: string): number {
  const graceMs = durationMs("grace", duration);
  if (graceMs > longestGraceMs) throw new UsageError("--grace is at most 30d.");
  return graceMs / 1000;
}

/** What `--grace` and `--end-grace` ask for. @throws {UsageError} */
export function graceOf(values: { readonly grace?: string | undefined; readonly "end-grace": boolean }) {
  return {
    graceSeconds: values.grace === undefined ? undefined : graceSecondsOf(values.grace),
    endGrace: values["end-grace"] ? true : undefined,
  };
}

/** What `--expected-version` says. @throws {UsageError} */
export function versionOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text))
    throw new UsageError("--expected-version is a version number, or 0 for none yet.");
  return Number(text);
}

/** The expected pending version and the request id. @throws {UsageError} */
export function pendingOf(values: {
  readonly "expected-version"?: string | undefined;
  readonly "pending-version"?: string | undefined;
  readonly "request-id"?: string | undefined;
}) {
  return {
    expectedVersion: versionOf(values["expected-version"]),
    pendingVersion: wholeNumber("pending-version", values["pending-version"]),
    requestId: values["request-id"],
  };
}

export function wholeNumber(option: string, text: string): number;
export function wholeNumber(option: string, text: string | undefined): number | undefined;
/** @throws {UsageError} */
export function wholeNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`--${option} takes whole numbers, 1 or more.`);
  return Number(text);
}

/** @throws {UsageError} */
export async function roleOf(text: string): Promise<Role> {
  const { Role: known } = await import("@repo/catalog");
  const role = known.safeParse(text).data;
  if (role === undefined) throw new UsageError(`--role is one of ${known.options.join(", ")}.`);
  return role;
}

/** "a,b" as a list, without empty items. */
export function commaSeparated(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

/**
 * Asks for confirmation before a change that is hard or impossible to undo.
 *
 * @param yes whether `--yes` confirmed it beforehand
 * @throws {UsageError} when the answer is no, or there is no terminal to ask at
 */
export async function confirm(question: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY) throw new UsageError("There is no terminal to ask at: confirm with --yes.");
  const prompts = await import("@clack/prompts");
  const message = printable(question);
  const answer = await prompts.confirm({ message, initialValue: false, output: process.stderr });
  if (answer !== true) throw new UsageError("Cancelled: nothing was changed.");
}

/** Asks an optional question. @returns false also without a terminal to ask at */
export async function asks(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const prompts = await import("@clack/prompts");
  const message = printable(question);
  return (await prompts.confirm({ message, initialValue: false, output: process.stderr })) === true;
}

/** The confirmation of an irreversible change: the user types a name, at the terminal or in an option. */
export interface TypedConfirmation {
  readonly question: string;
  readonly expected: string;
  /** Whether to skip the question (`--yes`). The name is then in an option. */
  readonly yes: boolean;
  readonly typed: string | undefined;
  /** That option's name. */
  readonly option: string;
}

/** @throws {UsageError} unless the name is typed */
export async function confirmTyped({
  question,
  expected,
  yes,
  typed,
  option,
}: TypedConfirmation): Promise<void> {
  if (yes || typed !== undefined) {
    if (!yes || typed === undefined) throw new UsageError(`--yes and --${option} go together.`);
    if (typed !== expected) throw new UsageError(`--${option} is not the same name: nothing was changed.`);
    return;
  }
  if (!process.stdin.isTTY) {
    throw new UsageError(`There is no terminal to ask at: confirm with --yes and --${option}.`);
  }
  const prompts = await import("@clack/prompts");
  const answer = await prompts.text({ message: printable(question), output: process.stderr });
  if (answer !== expected) throw new UsageError("That is not the name: nothing was changed.");
}
