import { asTenantSecretsError, type AuditEntry, type AuditLog } from "@repo/audit-log";
import type { Caller, TenantSecretsError } from "@repo/catalog";

export interface Attempt extends Omit<AuditEntry, "outcome" | "reason"> {
  readonly caller: Caller;
  /** Whether it would change something, so that a lost answer leaves it open whether it did. */
  readonly changes?: boolean;
}

/** What was denied with an error: something in a company that the caller may enter, or without an id anything else. */
export interface Denial {
  readonly companyId: string | undefined;
}

const denials = new WeakMap<TenantSecretsError, Denial>();

/** @returns undefined for an error that is no denial, such as one that a secret is missing in a company of the caller's */
export function denialOf(error: TenantSecretsError): Denial | undefined {
  return denials.get(error);
}

/** Audits a denial, and throws it. */
export async function deny(audit: AuditLog, attempt: Attempt, error: TenantSecretsError): Promise<never> {
  denials.set(error, { companyId: attempt.companyId });
  await recordOutcome(audit, attempt, { outcome: "denied", error });
  throw error;
}

/**
 * Does what was asked for, and audits its failure. What succeeds has audited itself.
 *
 * @throws {TenantSecretsError} what `work` threw, as one of ours; AUDIT_UNAVAILABLE where the audit log cannot be written to
 */
export async function auditFailure<T>(audit: AuditLog, attempt: Attempt, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const error = asTenantSecretsError(thrown);
    const isOpen = error.store === undefined ? lostAnswers.has(error.code) : error.store === "unknown";
    const lost = attempt.changes === true && isOpen;
    const outcome = error.code === "FORBIDDEN" && error.store === undefined ? "denied" : "failed";
    if (outcome === "denied") denials.set(error, { companyId: attempt.companyId });
    try {
      await recordOutcome(audit, attempt, { outcome: lost ? "unknown" : outcome, error });
    } catch (unrecorded) {
      // A database that is unavailable takes no event either. A caller who only reads is told that it is unavailable.
      if (attempt.changes === true || error.code !== "DATABASE_UNAVAILABLE") throw unrecorded;
    }
    throw error;
  }
}

/** After these, a change may have been made: a COMMIT or a call that went out, and whose answer did not come. */
const lostAnswers: ReadonlySet<TenantSecretsError["code"]> = new Set([
  "STORE_UNAVAILABLE",
  "DATABASE_UNAVAILABLE",
  "AUDIT_UNAVAILABLE",
]);

function recordOutcome(
  audit: AuditLog,
  { caller, ...entry }: Attempt,
  { outcome, error }: { readonly outcome: AuditEntry["outcome"]; readonly error: TenantSecretsError },
): Promise<void> {
  return audit.record(caller, { ...entry, outcome, reason: error.code });
}
