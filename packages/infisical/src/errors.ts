import { nameOfRight } from "./rights.ts";
import type { InfisicalRight } from "./rights.ts";

export type InfisicalErrorCode =
  | "UNREACHABLE"
  | "TIMEOUT"
  | "RATE_LIMITED"
  | "UNAUTHORIZED"
  | "FORBIDDEN"
  | "NOT_FOUND"
  | "INVALID_RESPONSE"
  | "INVALID_INPUT"
  | "AMBIGUOUS"
  | "SERVER_ERROR";

const sentences: Readonly<Record<InfisicalErrorCode, string>> = {
  UNREACHABLE: "Infisical could not be reached; check INFISICAL_SITE_URL and the network",
  TIMEOUT: "Infisical did not answer in time; try again",
  RATE_LIMITED: "Infisical limits the rate of requests; try again later",
  UNAUTHORIZED:
    "Infisical refused the log-in of the machine identity; check INFISICAL_CLIENT_ID and INFISICAL_CLIENT_SECRET",
  FORBIDDEN: "the machine identity may not do this; check its role in the Infisical project",
  NOT_FOUND:
    "Infisical does not know the project or the environment; check INFISICAL_PROJECT_ID and INFISICAL_ENVIRONMENT",
  INVALID_RESPONSE:
    "the answer is not one of Infisical's API; check INFISICAL_SITE_URL and what stands in front of Infisical",
  INVALID_INPUT: "Infisical refused the input",
  AMBIGUOUS:
    "it is not known whether Infisical applied the change; read the current state before trying again",
  SERVER_ERROR: "Infisical failed to handle the request; try again, then look at its log",
};

const lackOf = (right: InfisicalRight) =>
  `the machine identity may not ${nameOfRight(right)}; give its role in the Infisical project that permission (docs/infisical.md)`;

/**
 * Everything that this package throws. The message is a sentence of ours that says what to do; it never
 * holds an address, a path below the first folder, a value, an id or a token, and there is no `cause`, because the SDK's errors
 * quote whole URLs.
 */
export class InfisicalError extends Error {
  override readonly name = "InfisicalError";
  readonly code: InfisicalErrorCode;
  /** Milliseconds. With `RATE_LIMITED` the server's Retry-After; else how long calls or log-ins are rejected without a request. */
  readonly retryAfterMs?: number;
  /** With `FORBIDDEN`, the permission that is missing, where it is known. */
  readonly right?: InfisicalRight;
  /** With `RATE_LIMITED`: the server was not asked, so that others find some of its limit left. */
  readonly isOwnLimit?: boolean;

  constructor(
    code: InfisicalErrorCode,
    options: { sentence?: string; retryAfterMs?: number; right?: InfisicalRight; isOwnLimit?: boolean } = {},
  ) {
    const missing = options.right && lackOf(options.right);
    super(options.sentence ?? missing ?? sentences[code]);
    this.code = code;
    if (options.right !== undefined) this.right = options.right;
    if (options.isOwnLimit !== undefined) this.isOwnLimit = options.isOwnLimit;
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
  }
}
