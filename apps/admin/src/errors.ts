import type { ErrorCode } from "@repo/tenant-secrets/client";
import { TRPCClientError } from "@trpc/client";

/** Why a call failed: the server's reason, or that no answer of it came. */
export type Reason = ErrorCode | "NO_ANSWER";

/** What a person is told of an error, and may do about it. */
export interface Explanation {
  readonly reason: Reason;
  readonly title: string;
  readonly text: string;
  /** The label of what to do; undefined where the page has nothing to offer. */
  readonly action: "Try again" | "Reload" | "Sign in" | undefined;
  /** The server's own sentence. */
  readonly detail: string | undefined;
  /** What an operator finds the request by. */
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;
  /** With CONFLICT: the version that the secret has now. */
  readonly currentVersion: number | undefined;
}

type Words = readonly [title: string, text: string, action?: Explanation["action"]];

const words: Readonly<Record<Reason, Words>> = {
  UNAUTHENTICATED: [
    "You are signed out",
    "The session has ended. Sign in, and go on where you were.",
    "Sign in",
  ],
  FORBIDDEN: [
    "Not allowed",
    "Your role in this company does not include this. Owners and admins can change roles.",
  ],
  COMPANY_SUSPENDED: [
    "This company is suspended",
    "Its secrets are neither read nor written until an operator resumes it. Nothing was deleted.",
  ],
  WRONG_REGION: [
    "This company is at home in another region",
    "Here its secrets can only be read. Make the change in the admin app of that region. Nothing was changed.",
  ],
  CONFIRMATION_REQUIRED: ["Confirm that it is you", "This needs a recent sign-in.", "Try again"],
  APPROVAL_REQUIRED: [
    "Another operator has to approve this",
    "The request is among the approvals. Once it is approved, do the same again within 24 hours.",
  ],
  NOT_FOUND: ["Not here, or not yours", "It does not exist, or your account may not see it."],
  UNKNOWN_SECRET_KEY: [
    "Unknown secret key",
    "The catalogue has no such secret key. Names of your own begin with CUSTOM_.",
  ],
  INVALID_INPUT: [
    "Something needs correcting",
    "The server did not take what was sent. Nothing was changed.",
  ],
  INVALID_VALUE: [
    "This value does not fit",
    "The value does not have the form that this secret needs. Nothing was saved.",
  ],
  CONFLICT: [
    "Changed in the meantime",
    "Someone else was faster. Look at the present state, and decide again.",
    "Reload",
  ],
  RATE_LIMITED: ["Too many requests", "Wait a moment before trying again.", "Try again"],
  NOT_SUPPORTED: ["Not possible here", "The place where this company's secrets are kept cannot do this."],
  INTEGRITY_FAILURE: [
    "The stored data was altered",
    "A check of integrity failed, so nothing is shown. Tell an operator at once, with the request id.",
  ],
  MASTER_KEY_MISSING: [
    "The service has no master key",
    "An operator has to restore it. Nothing is lost.",
    "Try again",
  ],
  MASTER_KEY_MALFORMED: [
    "The master key is malformed",
    "An operator has to correct it. Nothing is lost.",
    "Try again",
  ],
  MASTER_KEY_WRONG: [
    "The master key is another one",
    "An operator has to correct it. Nothing is lost.",
    "Try again",
  ],
  KEY_UNAVAILABLE: [
    "The company's key is not available",
    "Try again in a moment. Nothing is lost.",
    "Try again",
  ],
  KEY_DESTROYED: [
    "The keys were destroyed",
    "The secrets of this company can no longer be read. This was done on purpose.",
  ],
  STORE_UNAVAILABLE: [
    "The place of the secrets does not answer",
    "Whether a change was saved is not known. Look at the history before trying again.",
    "Try again",
  ],
  DATABASE_UNAVAILABLE: [
    "The database does not answer",
    "It usually returns by itself. Nothing was changed.",
    "Try again",
  ],
  AUDIT_UNAVAILABLE: [
    "The audit log does not take events",
    "Nothing is done that cannot be recorded. Nothing was changed.",
    "Try again",
  ],
  OVERLOADED: ["The service is busy", "Try again in a moment. Nothing was changed.", "Try again"],
  INTERNAL: ["Something broke here", "Tell an operator, with the request id.", "Try again"],
  NO_ANSWER: [
    "No connection",
    "The service could not be reached. Whether a change was saved is not known.",
    "Try again",
  ],
};

/** @param error what a call of the API rejected with */
export function explain(error: unknown): Explanation {
  const reason = reasonOf(error);
  const [title, text, action] = words[reason];
  const data = dataOf(error);
  return {
    reason,
    title,
    text,
    action,
    detail: data !== undefined && error instanceof Error ? error.message : undefined,
    requestId: textOf(data?.["requestId"]),
    retryAfterMs: numberOf(data?.["retryAfterMs"]),
    currentVersion: numberOf(data?.["currentVersion"]),
  };
}

/** @returns NO_ANSWER for anything that is not an answer of the API */
export function reasonOf(error: unknown): Reason {
  const reason = dataOf(error)?.["reason"];
  return isReason(reason) ? reason : "NO_ANSWER";
}

/** An error of a route of the API outside tRPC, in the form of one of tRPC. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly data: Readonly<Record<string, unknown>>;
  constructor(message: string, data: Readonly<Record<string, unknown>>) {
    super(message);
    this.data = data;
  }
}

function dataOf(error: unknown): Readonly<Record<string, unknown>> | undefined {
  if (!(error instanceof TRPCClientError || error instanceof ApiError)) return undefined;
  const data: unknown = error.data;
  return isRecord(data) ? data : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isReason(value: unknown): value is Reason {
  return typeof value === "string" && Object.hasOwn(words, value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
