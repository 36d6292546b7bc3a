import type { LegacyRow } from "./legacy-row.ts";

/**
 * `imported`: written, read back and found equal; in a dry run, would be. `unchanged`: there already, and equal.
 * `conflict`: something else stands there. `bad`: nothing can be made of the row. The last two are left alone.
 */
export type LegacyResult = "imported" | "unchanged" | "conflict" | "bad";

/** Why a row was left alone. docs/import-legacy.md says what to do about each. */
export type LegacyReason =
  | "UNREADABLE_ROW"
  | "UNKNOWN_COMPANY"
  | "AMBIGUOUS_COMPANY"
  | "STORE_IS_INFISICAL"
  | "UNKNOWN_SECRET_KEY"
  | "MALFORMED"
  | "NOT_OPENED"
  | "INVALID_VALUE"
  | "DIFFERENT"
  | "DIFFERENT_IN_INFISICAL"
  | "REMOVED"
  | "NOT_VERIFIED"
  | "INTEGRITY_FAILURE"
  | "KEY_UNAVAILABLE"
  | "KEY_DESTROYED";

/** What became of a row. Company and secret key are the row's own words. */
export interface LegacyOutcome extends Pick<LegacyRow, "company" | "secretKey"> {
  /** The secret key here, where the row got as far as that. */
  readonly target: string | undefined;
  readonly result: LegacyResult;
  readonly reason: LegacyReason | undefined;
}

export type Verdict = Pick<LegacyOutcome, "result" | "reason">;

export const imported: Verdict = { result: "imported", reason: undefined };
export const unchanged: Verdict = { result: "unchanged", reason: undefined };

export function conflict(reason: LegacyReason): Verdict {
  return { result: "conflict", reason };
}

export function bad(reason: LegacyReason): Verdict {
  return { result: "bad", reason };
}
