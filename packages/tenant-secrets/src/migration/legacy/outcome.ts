import type { LegacyRow } from "./row.ts";

/**
 * `imported`: written, read back and found equal; in a dry run, it would be. `unchanged`: an equal value exists. `conflict`:
 * another value exists. `bad`: the row is unusable. The last two are skipped.
 */
export type LegacyResult = "imported" | "unchanged" | "conflict" | "bad";

/** Why a row was skipped. docs/import-legacy.md describes the remedy for each. */
export type LegacyReason =
  | "UNREADABLE_ROW"
  | "UNKNOWN_COMPANY"
  | "AMBIGUOUS_COMPANY"
  | "STORE_IS_INFISICAL"
  | "COMPANY_SUSPENDED"
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

/** The outcome of a row. Company and secret key are as in the row. */
export interface LegacyOutcome extends Pick<LegacyRow, "company" | "secretKey"> {
  /** The secret key here, if it could be determined. */
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
