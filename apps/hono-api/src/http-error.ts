import { asTenantSecretsError, type ErrorCode } from "@repo/tenant-secrets";
import { httpStatusOf, retryAfter } from "@repo/tenant-secrets/http";
import type { Context } from "hono";
import type { ApiEnv } from "./context.ts";
import type { Log } from "./log.ts";

/** The core's codes, and those of a server that calls payment providers. */
type HttpErrorReason = ErrorCode | "PROVIDER_REFUSED" | "PROVIDER_UNAVAILABLE";

interface HttpErrorOptions {
  readonly status: number;
  readonly reason: HttpErrorReason;
  /** A sentence of ours. It quotes nothing of the request. */
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
  readonly currentVersion?: number | undefined;
  readonly homeRegion?: string | undefined;
  readonly homeAddress?: string | undefined;
  /** With 405: the methods of this route. */
  readonly allowed?: readonly string[] | undefined;
  /** For the log alone: an error's class and code, never a text from elsewhere. */
  readonly diagnosis?: string | undefined;
}

/** An error response that is thrown. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly details: Omit<HttpErrorOptions, "message">;

  constructor({ message, ...details }: HttpErrorOptions) {
    super(message);
    this.details = details;
  }
}

/** @param status default 400 */
export function invalidInput(message: string, status = 400): HttpError {
  return new HttpError({ status, reason: "INVALID_INPUT", message });
}

/** The one mapping from a thrown value to an error response. */
function httpErrorOf(thrown: unknown): HttpError {
  if (thrown instanceof HttpError) return thrown;
  const error = asTenantSecretsError(thrown);
  const { code: reason, message, retryAfterMs, currentVersion, homeRegion, homeAddress, diagnosis } = error;
  return new HttpError({
    status: httpStatusOf(error),
    reason,
    message,
    retryAfterMs,
    currentVersion,
    homeRegion,
    homeAddress,
    diagnosis,
  });
}

/** Maps an error to a response, and logs its code and diagnosis. */
export function respondWithError(log: Log, c: Context<ApiEnv>, thrown: unknown): Response {
  // A client that closed the connection reads no response, and what broke is the connection.
  const httpError = c.req.raw.signal.aborted ? invalidInput("The request ended early.") : httpErrorOf(thrown);
  const { status, reason, retryAfterMs, currentVersion, homeRegion, homeAddress, allowed, diagnosis } =
    httpError.details;
  const { message } = httpError;
  const requestId = c.get("requestId");
  logHttpError(log, { requestId, reason, diagnosis });
  const facts = { requestId, retryAfterMs, currentVersion, homeRegion, homeAddress };
  const error = c.req.path.startsWith("/trpc/")
    ? // Errors of the middleware have tRPC's form here, so that the typed client can read them.
      {
        json: {
          code: status < 500 ? -32_600 : -32_603,
          message,
          data: { httpStatus: status, reason, ...facts },
        },
      }
    : { reason, message, ...facts };
  // The rest of a body that is too large is not read, so the connection cannot carry another request.
  const last: Record<string, string> = status === 413 ? { connection: "close" } : {};
  return Response.json(
    { error },
    { status, headers: { ...retryAfter(retryAfterMs), ...allow(allowed), ...last } },
  );
}

export function logHttpError(
  log: Log,
  {
    requestId,
    reason,
    diagnosis,
  }: { readonly requestId: string } & Pick<HttpErrorOptions, "reason" | "diagnosis">,
): void {
  const isOurFault = reason === "INTERNAL" || reason === "INTEGRITY_FAILURE";
  // An overloaded process writes one line for a request that it sheds: the line of the request.
  const level = isOurFault ? "error" : reason === "OVERLOADED" ? "debug" : "info";
  log(level, "refused", { requestId, code: reason, diagnosis });
}

/** The header of RFC 9110, 10.2.1. */
function allow(methods: readonly string[] | undefined): Record<string, string> {
  return methods === undefined ? {} : { allow: methods.join(", ") };
}
