import { asTenantSecretsError, type AuditEntry, type AuditLog } from "@repo/audit-log";
import { type Caller, confirmationRequired, type TenantSecretsError } from "@repo/catalog";

export interface Attempt extends Omit<AuditEntry, "outcome" | "reason"> {
  readonly caller: Caller;
  /** Whether the operation changes something, so that a lost answer leaves its outcome unknown. */
  readonly changes?: boolean;
}

/** Identifies a denied call: by the company, if the caller may enter it, or without an id. */
export interface Denial {
  readonly companyId: string | undefined;
}

const denials = new WeakMap<TenantSecretsError, Denial>();

/** @returns undefined for an error that is no denial, such as a missing secret in the caller's own company */
export function denialOf(error: TenantSecretsError): Denial | undefined {
  return denials.get(error);
}

/** Audits a denial, and throws it. */
export async function deny(audit: AuditLog, attempt: Attempt, error: TenantSecretsError): Promise<never> {
  denials.set(error, { companyId: attempt.companyId });
  await recordOutcome(audit, attempt, { outcome: "denied", error });
  throw error;
}

/** Audits that a call waits for its caller's confirmation, which is no denial and counts against no limit, and throws that. */
export async function requireConfirmation(audit: AuditLog, attempt: Attempt): Promise<never> {
  const error = confirmationRequired();
  await recordOutcome(audit, attempt, { outcome: "failed", error });
  throw error;
}

/**
 * Runs an operation and audits its failure. On success the operation has audited itself.
 *
 * @throws {TenantSecretsError} the error of `work`, as one of ours; AUDIT_UNAVAILABLE if the audit log cannot be written to
 */
export async function auditFailure<T>(audit: AuditLog, attempt: Attempt, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const error = asTenantSecretsError(thrown);
    const isOpen = error.store === undefined ? lostAnswers.has(error.code) : error.store === "unknown";
    const lost = attempt.changes === true && isOpen;
    const isDenial = error.code === "FORBIDDEN" || error.code === "COMPANY_SUSPENDED";
    const outcome = isDenial && error.store === undefined ? "denied" : "failed";
    if (outcome === "denied") denials.set(error, { companyId: attempt.companyId });
    try {
      await recordOutcome(audit, attempt, { outcome: lost ? "unknown" : outcome, error });
    } catch (unrecorded) {
      // An unavailable database accepts no event either. A caller who only reads gets DATABASE_UNAVAILABLE.
      if (attempt.changes === true || error.code !== "DATABASE_UNAVAILABLE") throw unrecorded;
    }
    throw error;
  }
}

/** Errors after which a change may have been made: a COMMIT or a call was sent, and its answer was lost. */
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
