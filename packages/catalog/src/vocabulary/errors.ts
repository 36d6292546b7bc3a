/** Every way in which a call can be refused or fail. The union is closed: a new code is a new line here. */
export const errorCodes = [
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "COMPANY_SUSPENDED",
  "WRONG_REGION",
  "CONFIRMATION_REQUIRED",
  "APPROVAL_REQUIRED",
  "NOT_FOUND",
  "UNKNOWN_SECRET_KEY",
  "INVALID_INPUT",
  "INVALID_VALUE",
  "CONFLICT",
  "RATE_LIMITED",
  "NOT_SUPPORTED",
  "INTEGRITY_FAILURE",
  "MASTER_KEY_MISSING",
  "MASTER_KEY_MALFORMED",
  "MASTER_KEY_WRONG",
  "KEY_UNAVAILABLE",
  "KEY_DESTROYED",
  "STORE_UNAVAILABLE",
  "DATABASE_UNAVAILABLE",
  "AUDIT_UNAVAILABLE",
  "OVERLOADED",
  "INTERNAL",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** Why one secret of a batch was refused. */
export interface SecretFailure {
  readonly secretKey: string;
  readonly code: ErrorCode;
  readonly message: string;
  /** With CONFLICT, as in {@link ErrorDetails}. */
  readonly currentVersion?: number | undefined;
}

/**
 * `unchanged`: certainly nothing was changed. `unknown`: a call went out, and what became of it is not known. Where the
 * store refused this service itself, that is no refusal of the caller.
 */
export type StoreAnswer = "unchanged" | "unknown";

export interface ErrorDetails {
  /** When the same call may succeed, in milliseconds from now. */
  readonly retryAfterMs?: number | undefined;
  /** With CONFLICT: the version that the secret has now; 0 where it does not exist. */
  readonly currentVersion?: number | undefined;
  /** With APPROVAL_REQUIRED: the request that another operator has to approve. */
  readonly approvalId?: string | undefined;
  /** With WRONG_REGION: where the company is at home. */
  readonly homeRegion?: string | undefined;
  /** With WRONG_REGION: of the API there, where this region knows it. */
  readonly homeAddress?: string | undefined;
  /** With an answer of the API: what to give an operator, who finds the request in log and record by it. */
  readonly requestId?: string | undefined;
  /** With a batch that was refused as a whole: each secret that stood in its way. */
  readonly failures?: readonly SecretFailure[] | undefined;
  /** Where the error is the answer of the place where the secret is: whether it leaves open what became of a change. */
  readonly store?: StoreAnswer | undefined;
  /** The fields of the request that the message names, so that who has other names for them can say those. */
  readonly fields?: readonly string[] | undefined;
  /** For the log, never for the caller: an error's class and code, such as "DatabaseError 42P01". */
  readonly diagnosis?: string | undefined;
}

/**
 * The one error of this package. Its message says what to do and never holds a value, a key or a statement; it has
 * no `cause`, because causes hold all three.
 */
export class TenantSecretsError extends Error {
  override readonly name = "TenantSecretsError";
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;
  readonly currentVersion: number | undefined;
  readonly approvalId: string | undefined;
  readonly homeRegion: string | undefined;
  readonly homeAddress: string | undefined;
  readonly requestId: string | undefined;
  readonly failures: readonly SecretFailure[] | undefined;
  readonly store: StoreAnswer | undefined;
  readonly fields: readonly string[] | undefined;
  readonly diagnosis: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message);
    this.code = code;
    this.retryAfterMs = details.retryAfterMs;
    this.currentVersion = details.currentVersion;
    this.approvalId = details.approvalId;
    this.homeRegion = details.homeRegion;
    this.homeAddress = details.homeAddress;
    this.requestId = details.requestId;
    this.failures = details.failures;
    this.store = details.store;
    this.fields = details.fields;
    this.diagnosis = details.diagnosis;
  }
}

/**
 * Someone else's secret, a missing one, an unknown company and one that this credential may not enter: the answer
 * is the same to the byte, so that nothing can be learnt by asking.
 */
export function notFound(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_FOUND",
    "Not found, or not visible to this credential: check the company's subdomain and the secret key.",
  );
}

/** One text for every credential that does not count, or does not any more. */
export function unauthenticated(): TenantSecretsError {
  return new TenantSecretsError(
    "UNAUTHENTICATED",
    "Send an API key or an operator's token that is neither expired nor revoked, as: authorization: Bearer …",
  );
}

export function forbidden(verb: string): TenantSecretsError {
  return new TenantSecretsError(
    "FORBIDDEN",
    `This credential may not ${verb}: ask for one that is allowed to.`,
  );
}

/** For those who may enter the company: what is suspended comes back, so that nothing is to be made again. */
export function companySuspended(): TenantSecretsError {
  return new TenantSecretsError(
    "COMPANY_SUSPENDED",
    "This company is suspended: its secrets are neither read nor written until an operator resumes it. Nothing was deleted.",
  );
}

/**
 * Nothing was done: this region has copies of the company's secrets, and only reads from them.
 *
 * @param homeAddress of the API of the region where it is at home, if it is known
 */
export function wrongRegion(homeRegion: string, homeAddress: string | undefined): TenantSecretsError {
  const where = homeAddress === undefined ? "" : `, at ${homeAddress}`;
  return new TenantSecretsError(
    "WRONG_REGION",
    `This company is at home in region ${homeRegion}: make this call there${where}, with a credential of that region. Here its secrets can be read only.`,
    { homeRegion, homeAddress },
  );
}

/** Not a refusal: the same call is allowed once the person has proved again who they are. */
export function confirmationRequired(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFIRMATION_REQUIRED",
    "Confirm that it is you, with a passkey or with password and code, and call again within five minutes.",
  );
}

/** Not a refusal: the same call is done once another operator has approved it. */
export function approvalRequired({
  id,
  expiresAt,
}: Readonly<{ id: string; expiresAt: Date }>): TenantSecretsError {
  return new TenantSecretsError(
    "APPROVAL_REQUIRED",
    `This cannot be undone, and waits for another operator: they approve the request ${id} until ${expiresAt.toISOString()} ("secrets approvals give ${id}"). Then make the same call again.`,
    { approvalId: id },
  );
}

/** The error of a batch, which is done as a whole or not at all. Its code is that of the first secret that was refused. */
export function batchRefused(failures: readonly [SecretFailure, ...SecretFailure[]]): TenantSecretsError {
  const names = failures.slice(0, 5).map(({ secretKey }) => secretKey);
  const more = failures.length > names.length ? ` and ${failures.length - names.length} more` : "";
  return new TenantSecretsError(
    failures[0].code,
    `None of the batch was done, because of ${names.join(", ")}${more}: ${failures[0].message}`,
    { failures },
  );
}

export function keyDestroyed(): TenantSecretsError {
  return new TenantSecretsError(
    "KEY_DESTROYED",
    "The keys of this company were destroyed on purpose: its secrets cannot be read any more, by anybody.",
  );
}

/** The key that was loaded for encryption is no longer the company's active one: a retry loads that one. */
export class KeyReplacedError extends TenantSecretsError {
  constructor() {
    super("KEY_UNAVAILABLE", "The company's key was replaced during this call. Try again in a moment.", {
      retryAfterMs: 1000,
    });
  }
}
