import { InfisicalError } from "./errors.ts";
import type { InfisicalErrorCode } from "./errors.ts";
import type { InfisicalRight } from "./rights.ts";

/** An answer that is not 2xx. `message` and `label` are the server's words: for telling cases apart, never for showing. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly label: string;
  readonly retryAfterMs?: number;
}

/** `unknown`: the request left us, and no final answer came back. `failure` is what to throw if a re-read finds no trace of it. */
export type Outcome<Body = unknown> =
  | { readonly kind: "answered"; readonly body: Body }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  | { readonly kind: "unknown"; readonly failure: InfisicalError };

type Meaning =
  | "TOKEN_REFUSED"
  | "MISSING_SECRET"
  | "MISSING_FOLDER"
  | "ALREADY_EXISTS"
  | "UNRESOLVED_REFERENCE"
  | Exclude<InfisicalErrorCode, "UNREACHABLE" | "TIMEOUT" | "AMBIGUOUS" | "UNAUTHORIZED">;

/**
 * What a refusal means on either generation of the server. The texts are matched because the older one answers
 * every absence with a bare 404 and a failed validation with 401, and because the SDK hands on nothing else.
 */
export function meaningOf({ status, message, label, retryAfterMs }: Refusal): Meaning {
  if (status === 429 || (status === 500 && retryAfterMs !== undefined)) return "RATE_LIMITED";
  if (label === "ValidationFailure" || status === 413 || status === 422) return "INVALID_INPUT";
  if (status === 400) {
    if (/already exist/i.test(message)) return "ALREADY_EXISTS";
    return /\breference/i.test(message) ? "UNRESOLVED_REFERENCE" : "INVALID_INPUT";
  }
  if (status === 401) return "TOKEN_REFUSED";
  if (status === 403) {
    return label === "TokenError" || /\b(?:token|jwt|signature)\b/i.test(message)
      ? "TOKEN_REFUSED"
      : "FORBIDDEN";
  }
  if (status === 404) {
    if (/^secret\b/i.test(message)) return "MISSING_SECRET";
    if (/^folder\b/i.test(message)) return "MISSING_FOLDER";
    // A 404 that does not speak Infisical's JSON comes from something in between, and proves no absence.
    return message === "" || /^route\b/i.test(message) ? "INVALID_RESPONSE" : "NOT_FOUND";
  }
  return status >= 500 ? "SERVER_ERROR" : "INVALID_RESPONSE";
}

const codes: Readonly<Record<Meaning, InfisicalErrorCode>> = {
  TOKEN_REFUSED: "UNAUTHORIZED",
  // Missing secrets and folders were handled before. Here the environment itself does not exist.
  MISSING_SECRET: "NOT_FOUND",
  MISSING_FOLDER: "NOT_FOUND",
  ALREADY_EXISTS: "INVALID_INPUT",
  UNRESOLVED_REFERENCE: "INVALID_INPUT",
  RATE_LIMITED: "RATE_LIMITED",
  FORBIDDEN: "FORBIDDEN",
  NOT_FOUND: "NOT_FOUND",
  INVALID_RESPONSE: "INVALID_RESPONSE",
  INVALID_INPUT: "INVALID_INPUT",
  SERVER_ERROR: "SERVER_ERROR",
};
const unresolved =
  "the value contains a reference such as ${NAME}, and this Infisical refuses those that it cannot resolve";

const outsider =
  "the machine identity is not a member of the Infisical project; add it there, with the role that docs/infisical.md describes";

/**
 * The error for a refusal that its caller has no use for.
 *
 * @param right what the request needs
 */
export function errorOf(refusal: Refusal, right?: InfisicalRight): InfisicalError {
  const meaning = meaningOf(refusal);
  const isOutsider = /\bnot a member\b|access this resource/i.test(refusal.message);
  return new InfisicalError(codes[meaning], {
    ...(meaning === "FORBIDDEN" && isOutsider ? { sentence: outsider } : {}),
    ...(meaning === "FORBIDDEN" && !isOutsider && right !== undefined ? { right } : {}),
    ...(meaning === "UNRESOLVED_REFERENCE" ? { sentence: unresolved } : {}),
    ...(meaning === "RATE_LIMITED" ? { retryAfterMs: waitOf(refusal) } : {}),
  });
}

/** How long a rate-limited caller is asked to wait: the header, else the seconds in the text, else one second. */
export function waitOf({ retryAfterMs, message }: Refusal): number {
  if (retryAfterMs !== undefined) return retryAfterMs;
  const seconds = /\bin (\d{1,5}) seconds?/.exec(message)?.[1];
  return seconds === undefined ? 1_000 : Number(seconds) * 1_000;
}

/** Reads a `retry-after` header: seconds or a date. */
export function parseRetryAfter(header: string | null | undefined): number | undefined {
  if (header === null || header === undefined || header.trim() === "") return undefined;
  if (/^\s*\d{1,6}\s*$/.test(header)) return Number(header) * 1_000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
