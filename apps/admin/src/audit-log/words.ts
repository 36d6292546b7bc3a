import type { ApiAnswers, ErrorCode, Role } from "@repo/tenant-secrets/client";
import type { Outcome } from "./search.ts";

export type AuditEvent = ApiAnswers["audit"]["list"]["events"][number];

export const outcomeWords: Readonly<Record<Outcome, string>> = {
  success: "Done",
  denied: "Refused",
  attempted: "Begun",
  failed: "Failed",
  unknown: "Not known",
};

type ReasonWords = Readonly<Record<ErrorCode | Role, string>> & Readonly<Record<string, string>>;

/** Why it ended so, or what for. */
const reasonWords: ReasonWords = {
  UNAUTHENTICATED: "The credential or the code was not accepted",
  FORBIDDEN: "Their role or key does not include it",
  COMPANY_SUSPENDED: "The company was suspended",
  WRONG_REGION: "The company was at home in another region",
  CONFIRMATION_REQUIRED: "It needed a recent sign-in",
  APPROVAL_REQUIRED: "It waited for another operator's approval",
  NOT_FOUND: "There was no such thing, or it was not theirs",
  UNKNOWN_SECRET_KEY: "The catalogue has no such secret key",
  INVALID_INPUT: "What was sent was malformed",
  INVALID_VALUE: "The value did not have the form of this secret",
  CONFLICT: "It had changed in the meantime",
  RATE_LIMITED: "Too many calls",
  NOT_SUPPORTED: "The store of this company cannot do it",
  INTEGRITY_FAILURE: "Stored data was altered",
  MASTER_KEY_MISSING: "The service had no master key",
  MASTER_KEY_MALFORMED: "The master key was malformed",
  MASTER_KEY_WRONG: "The master key was another one",
  KEY_UNAVAILABLE: "The company's key was not available",
  KEY_DESTROYED: "The keys were destroyed",
  STORE_UNAVAILABLE: "The store of the secrets did not answer",
  DATABASE_UNAVAILABLE: "The database did not answer",
  AUDIT_UNAVAILABLE: "The audit log took no events",
  OVERLOADED: "The service was busy",
  INTERNAL: "Something broke in the service",
  REPLAYED: "The same request again, which changed nothing",
  TWINS_REPLACED: "It replaced two of one name",
  NOT_APPLIED: "It was not applied",
  TO_INFISICAL: "To Infisical",
  TO_HYBRID: "To hybrid",
  TO_DATABASE: "To the database",
  EXTERNAL_KEY_DENIED: "The company's external key refused",
  EXTERNAL_KEY_WRONG: "The company's external key gave a wrong answer",
  EXTERNAL_KEY_DOWN: "The company's external key did not answer",
  MIRROR_ON: "On",
  MIRROR_OFF: "Off",
  ENDPOINT_GONE: "It answered that it is gone",
  ENDPOINT_FAILS: "It failed for five days",
  ENDPOINT_ADDRESS: "Its address is not connected to",
  NOT_ALL_DONE: "Not every company is done",
  "set-up": "For a set-up",
  debugging: "For debugging",
  incident: "For an incident",
  "hand-over": "For a hand-over",
  accepted: "The provider accepted it",
  rejected: "The provider rejected it",
  unknown: "The provider could not be asked",
  owner: "As an owner",
  admin: "As an admin",
  member: "As a member",
  auditor: "As an auditor",
};

export function wordsOfReason(reason: string): string {
  return Object.hasOwn(reasonWords, reason) ? (reasonWords[reason] ?? reason) : reason;
}
