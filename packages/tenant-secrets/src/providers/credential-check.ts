import { type Catalog, type CheckResult, TenantSecretsError } from "@repo/catalog";

/**
 * Asks a provider about a credential, by a call that changes nothing. What it throws counts as "unknown", and is
 * thrown away: errors of HTTP clients hold the request, and with it the credential.
 *
 * @param text the value, as it is kept
 * @param signal aborted when nobody waits any more
 */
export type CredentialCheck = (text: string, signal: AbortSignal) => Promise<CheckResult>;

/** By the names that catalogue entries give. */
export type CredentialChecks = Readonly<Record<string, CredentialCheck>>;

/** How long a provider may take, in all. */
export const checkDeadlineMs = 5_000;

/** For the start: @throws {TypeError} when an entry names a check that is not there */
export function requireChecks(catalog: Catalog, checks: CredentialChecks): void {
  for (const [secretKey, { check }] of Object.entries(catalog.entries)) {
    if (check !== undefined && !Object.hasOwn(checks, check)) {
      throw new TypeError(
        `The entry of ${secretKey} names the check "${check}", which is not among the checks given`,
      );
    }
  }
}

/** @throws {TenantSecretsError} UNKNOWN_SECRET_KEY, or NOT_SUPPORTED where nobody can be asked about this secret key */
export function getCheck(catalog: Catalog, checks: CredentialChecks, secretKey: string): CredentialCheck {
  const { check: name } = catalog.get(secretKey);
  const check = name !== undefined && Object.hasOwn(checks, name) ? checks[name] : undefined;
  if (check !== undefined) return check;
  throw new TenantSecretsError(
    "NOT_SUPPORTED",
    `${secretKey} cannot be checked: nobody is known who could be asked whether it works.`,
  );
}

/**
 * Whether a provider takes a value. An outage, an odd answer and a deadline are "unknown", never "rejected".
 *
 * @param options.deadlineMs default: {@link checkDeadlineMs}
 * @param options.signal ends it early, with "unknown"
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

/** Rejects when it is aborted. A check that does not listen to its signal is left behind. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(new Error("aborted"));
    else signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
  });
}
