/** Why a step of a driver failed, in a word that can be stored and shown. */
export type DriverFailure =
  | "transient"
  | "rejected-value"
  | "not-allowed"
  | "limit"
  | "misconfigured"
  | "reauth-required";

const sentences: Readonly<Record<DriverFailure, string>> = {
  transient: "The provider could not be reached, or gave no usable answer. The same step may succeed later.",
  "rejected-value": "The provider does not take this value. Another value may be taken.",
  "not-allowed":
    "The provider refuses the credential that manages this one, or that credential lacks a right.",
  limit: "The provider allows no further credential beside those that exist.",
  misconfigured: "The settings of the rotation do not fit the provider or the value.",
  "reauth-required": "The provider does not renew the authorization: a person has to give it again.",
};

/**
 * A step of a driver failed. The error holds nothing of what the provider answered, and no `cause`: errors of libraries hold the
 * request, and with it the credential.
 */
export class DriverError extends Error {
  override readonly name = "DriverError";
  readonly code: DriverFailure;
  /** With `transient`: what the provider asks to wait, in milliseconds from now. */
  readonly retryAfterMs: number | undefined;

  constructor(code: DriverFailure, details: { readonly retryAfterMs?: number | undefined } = {}) {
    super(sentences[code]);
    this.code = code;
    this.retryAfterMs = details.retryAfterMs;
  }
}
