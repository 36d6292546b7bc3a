import type { Caller, Session } from "@repo/catalog";

/** Milliseconds that a confirmation counts: long enough for a task, and too short for a page that was left open. */
const confirmationMs = 5 * 60_000;
/** Milliseconds that a second factor counts for acting as an operator: a day of work. */
const actingMs = 8 * 3600_000;
/** Milliseconds by which the clock of the process that signs people in may be ahead of this one. */
const clockSkewMs = 60_000;

/** @returns undefined where a confirmation is due */
export function confirmedUntil(session: Session): Date | undefined {
  return countsUntil(session.confirmedAt, confirmationMs);
}

/** As `confirmedUntil`, for acting as an operator, which a password alone does not confirm. */
export function actsUntil(session: Session): Date | undefined {
  return countsUntil(session.secondFactorAt, actingMs);
}

function countsUntil(at: Date | undefined, forMs: number): Date | undefined {
  if (at === undefined) return undefined;
  const ageMs = Date.now() - at.getTime();
  return ageMs >= -clockSkewMs && ageMs < forMs ? new Date(at.getTime() + forMs) : undefined;
}

/**
 * Whether a caller has to confirm who they are before an operation that asks for it. Callers without a session are not asked:
 * API keys, jobs, operators' tokens, and people of a product with a sign-in of its own.
 */
export function lacksConfirmation({ session }: Caller): boolean {
  return session !== undefined && confirmedUntil(session) === undefined;
}
