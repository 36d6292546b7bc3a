import { type Catalog, type CheckResult, TenantSecretsError } from "@repo/catalog";

/**
 * Checks a credential with its provider, by a call that changes nothing. Its errors mean "unknown" and are discarded: errors of
 * HTTP clients contain the request, and with it the credential.
 *
 * @param text the value in its stored form
 * @param signal aborted when the result is no longer needed
 */
export type CredentialCheck = (text: string, signal: AbortSignal) => Promise<CheckResult>;

/** Checks by the names used in catalogue entries. */
export type CredentialChecks = Readonly<Record<string, CredentialCheck>>;

/** Milliseconds that a provider's check may take in total. */
export const checkDeadlineMs = 5_000;

/** Called at startup. @throws {TypeError} if an entry names a check that does not exist */
export function requireChecks(catalog: Catalog, checks: CredentialChecks): void {
  for (const [secretKey, { check }] of Object.entries(catalog.entries)) {
    if (check !== undefined && !Object.hasOwn(checks, check)) {
      throw new TypeError(
        `The entry of ${secretKey} names the check "${check}", which is not among the checks given`,
      );
    }
  }
}

/** @throws {TenantSecretsError} UNKNOWN_SECRET_KEY, or NOT_SUPPORTED if the entry has no check */
export function getCheck(catalog: Catalog, checks: CredentialChecks, secretKey: string): CredentialCheck {
  const { check: name } = catalog.get(secretKey);
  const check = name !== undefined && Object.hasOwn(checks, name) ? checks[name] : undefined;
  if (check !== undefined) return check;
  throw new TenantSecretsError(
    "NOT_SUPPORTED",
    `${secretKey} cannot be checked: its catalogue entry has no check.`,
  );
}

/**
 * Asks a provider whether it accepts a value. An outage, an unexpected answer and a timeout are "unknown", never "rejected".
 *
 * @param options.deadlineMs default: {@link checkDeadlineMs}
 * @param options.signal aborts the check, with "unknown"
 * @throws {TenantSecretsError} as {@link getCheck}
 */
export async function checkCredential(
  catalog: Catalog,
  checks: CredentialChecks,
  {
    secretKey,
    text,
    options = {},
  }: {
    readonly secretKey: string;
    readonly text: string;
    readonly options?: { readonly deadlineMs?: number; readonly signal?: AbortSignal } | undefined;
  },
): Promise<CheckResult> {
  const check = getCheck(catalog, checks, secretKey);
  const ended = new AbortController();
  const deadline = AbortSignal.timeout(options.deadlineMs ?? checkDeadlineMs);
  const signal = AbortSignal.any([deadline, ended.signal, ...(options.signal ? [options.signal] : [])]);
  try {
    return await Promise.race([check(text, signal), aborted(signal)]);
  } catch {
    return "unknown";
  } finally {
    ended.abort();
  }
}

/** Rejects when the signal is aborted. A check that ignores its signal is abandoned. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(new Error("aborted"));
    else signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
  });
}
