import { asTenantSecretsError, httpStatusOf, type ErrorCode } from "@repo/tenant-secrets";
import type { Context } from "hono";
import type { Log } from "./log.ts";
import type { ApiEnv } from "./observe.ts";

/** The core's codes, and what only a server that pays through others can say. */
export type RefusalReason = ErrorCode | "PROVIDER_REFUSED" | "PROVIDER_UNAVAILABLE";

interface RefusalDetails {
  readonly retryAfterMs?: number | undefined;
  readonly currentVersion?: number | undefined;
  /** With 405: the methods that there are. */
  readonly allowed?: readonly string[] | undefined;
  /** For the log only: a class and a code, never a text that came from elsewhere. */
  readonly diagnosis?: string | undefined;
}

/** An answer that is not what was asked for. The message is a sentence of ours and quotes nothing that was sent. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly reason: RefusalReason;
  readonly details: RefusalDetails;

  constructor(status: number, reason: RefusalReason, message: string, details: RefusalDetails = {}) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.details = details;
  }
}

export function invalidInput(message: string, status = 400): Refusal {
  return new Refusal(status, "INVALID_INPUT", message);
}

/** The one mapping of whatever is thrown to what may be answered. */
function refusalOf(thrown: unknown): Refusal {
  if (thrown instanceof Refusal) return thrown;
  const error = asTenantSecretsError(thrown);
  return new Refusal(httpStatusOf(error), error.code, error.message, error);
}

/** Answers with a refusal, and logs its code and diagnosis. */
export function refuse(log: Log, c: Context<ApiEnv>, thrown: unknown): Response {
  // The client is gone: nobody reads the answer, and what broke is the connection.
  const refusal = c.req.raw.signal.aborted ? invalidInput("The request ended early.") : refusalOf(thrown);
  const { status, reason, message, details } = refusal;
  const requestId = c.get("requestId");
  logRefusal(log, requestId, refusal);
  const { retryAfterMs, currentVersion, allowed } = details;
  const facts = { requestId, retryAfterMs, currentVersion };
  const error = c.req.path.startsWith("/trpc/")
    ? // What is refused before tRPC sees it has tRPC's form all the same, so that the typed client says why.
      {
        json: {
          code: status < 500 ? -32_600 : -32_603,
          message,
          data: { httpStatus: status, reason, ...facts },
        },
      }
    : { reason, message, ...facts };
  // The rest of a body that is too large is not read, so the connection is of no use for another request.
  const last: Record<string, string> = status === 413 ? { connection: "close" } : {};
  return Response.json(
    { error },
    { status, headers: { ...retryAfter(retryAfterMs), ...allow(allowed), ...last } },
  );
}

export function logRefusal(
  log: Log,
  requestId: string,
  { reason, details }: Pick<Refusal, "reason" | "details">,
): void {
  const ours = reason === "INTERNAL" || reason === "INTEGRITY_FAILURE";
  // Whoever is refused for want of time is not given more of it: the request has its own line.
  const ordinary = reason === "OVERLOADED" ? "debug" : "info";
  log(ours ? "error" : ordinary, "refused", { requestId, code: reason, diagnosis: details.diagnosis });
}

/** The header of RFC 9110, 10.2.1. */
export function allow(methods: readonly string[] | undefined): Record<string, string> {
  return methods === undefined ? {} : { allow: methods.join(", ") };
}

/** The header of RFC 9110, 10.2.3, in whole seconds. */
export function retryAfter(retryAfterMs: number | undefined): Record<string, string> {
  return retryAfterMs === undefined
    ? {}
    : { "retry-after": String(Math.max(1, Math.ceil(retryAfterMs / 1000))) };
}
