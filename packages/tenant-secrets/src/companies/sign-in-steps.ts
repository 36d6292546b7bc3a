import type { AuditAction, AuditLog, AuditOutcome } from "@repo/audit-log";
import type { ErrorCode } from "@repo/catalog";
import type { RateLimits } from "../access/rate-limits.ts";

/** Where a request came from. */
interface From {
  readonly address?: string | undefined;
  readonly requestId?: string | undefined;
}

/** A step of a sign-in, which a person takes before there is a caller. */
export interface SignInStep extends From {
  readonly action: Extract<AuditAction, `sign-in${string}` | "session.end" | "password.reset">;
  /** A right password that waits for its second factor is an attempted `sign-in`. */
  readonly outcome: Extract<AuditOutcome, "success" | "denied" | "attempted">;
  /** The person whose account it is. Left out where no account is known. */
  readonly userId?: string | undefined;
  readonly reason?: ErrorCode | undefined;
}

/** What the sign-in of people takes from the core: limits of attempts, and the audit log. */
export interface SignInSteps {
  /**
   * Counts an attempt across processes, 20 a minute for each key.
   *
   * @param key of an address, or of an account
   * @throws {TenantSecretsError} RATE_LIMITED, audited; DATABASE_UNAVAILABLE
   */
  admit(key: string, from: From): Promise<void>;
  /** @throws {TenantSecretsError} AUDIT_UNAVAILABLE: the step must fail */
  record(step: SignInStep): Promise<void>;
}

export function createSignInSteps(audit: AuditLog, limits: Pick<RateLimits, "admitAttempt">): SignInSteps {
  return {
    admit: (key, from) => limits.admitAttempt(key, from),
    record: ({ userId, address, requestId, ...event }) => {
      const actor =
        userId === undefined
          ? ({ kind: "anonymous", id: "none" } as const)
          : ({ kind: "user", id: userId, roles: new Map() } as const);
      return audit.record({ actor, address, requestId }, { ...event, subject: userId });
    },
  };
}
