import { callTRPCProcedure, TRPCError } from "@trpc/server";
import { TenantSecretsError } from "@repo/catalog";
import { asTenantSecretsError } from "@repo/audit-log";
import type { RequestOrigin } from "../companies/authenticate.ts";
import type { Services } from "../product-services.ts";
import { type ApiRequest, observedContext, type RequestObserver } from "./observed-context.ts";
import { readDates } from "./plain-json.ts";
import { appRouter } from "./router.ts";
import { serviceProcedures } from "./service-procedures.ts";
import { errorData, httpStatusOf, publicError, retryAfter } from "./trpc.ts";

/** What the procedures of services are below, for callers that speak plain JSON: `POST /api/v1/secrets.read`. */
export const plainPath = "/api/v1/";

/**
 * Answers a request in plain JSON: its body is the input, its answer the output, dates are texts. It is the procedure of that name with
 * its middleware, limits and events. Those of people and operators are not there.
 *
 * @returns 200 with the output, 204 where there is none, or `{"error": …}`
 */
export async function answerPlainly(
  services: Services,
  request: ApiRequest,
  { onCaller, onError, ...origin }: RequestOrigin & RequestObserver,
): Promise<Response> {
  const { requestId } = origin;
  try {
    const { pathname, search } = new URL(request.url);
    const path = pathname.slice(plainPath.length);
    const procedure = serviceProcedures.get(path);
    if (procedure === undefined) throw refused("NOT_FOUND", "There is no such procedure: check its name.");
    if (request.method !== "POST") {
      throw refused("INVALID_INPUT", "Every procedure is called with POST here.");
    }
    if (search !== "") {
      throw refused("INVALID_INPUT", "The address of a procedure takes no parameters here: send a body.");
    }
    const output = await callTRPCProcedure({
      router: appRouter,
      path,
      type: procedure.kind,
      ctx: observedContext(services, request, { ...origin, onCaller }),
      getRawInput: async () => readDates(procedure.input, await jsonOf(request)),
      signal: request.signal,
      batchIndex: 0,
    });
    return output === undefined ? new Response(null, { status: 204 }) : Response.json(output);
  } catch (thrown) {
    const error = thrown instanceof TRPCError ? publicError(thrown) : asTenantSecretsError(thrown);
    onError?.(error);
    const { reason, ...data } = errorData(error, requestId);
    return Response.json(
      { error: { reason, message: error.message, ...data } },
      { status: httpStatusOf(error), headers: retryAfter(error.retryAfterMs) },
    );
  }
}

/** @throws {TenantSecretsError} INVALID_INPUT; the parser's own error would quote the text */
async function jsonOf(request: ApiRequest): Promise<unknown> {
  if (!/^application\/json\b/i.test(request.headers.get("content-type") ?? "")) {
    throw refused("INVALID_INPUT", "Send the content type application/json.");
  }
  try {
    return await request.json();
  } catch {
    throw refused("INVALID_INPUT", "The request is not well-formed JSON.");
  }
}

function refused(code: "NOT_FOUND" | "INVALID_INPUT", message: string): TenantSecretsError {
  return new TenantSecretsError(code, message);
}
