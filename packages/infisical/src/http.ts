import { z } from "zod";
import { readText } from "./answer-size.ts";
import { InfisicalError } from "./errors.ts";
import { parseJson } from "./json.ts";
import { parseRetryAfter } from "./outcome.ts";
import type { Outcome } from "./outcome.ts";
import { parseRateState } from "./rate-budget.ts";
import type { RateState } from "./rate-budget.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly url: string;
  readonly token?: string;
  readonly body?: unknown;
  /** Covers the whole exchange, the body of the answer too. */
  readonly signal: AbortSignal;
  /** Told what the server says of its rate limit. */
  readonly onRate?: (state: RateState) => void;
}

const maxBodyBytes = 1024 * 1024;
const refusalBody = z.object({ message: z.unknown(), error: z.unknown() }).partial();
const neverSent = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);
const failedFetch = z.object({ cause: z.object({ code: z.string() }) });

/**
 * One HTTP exchange, never repeated and never redirected: a redirect would carry the token to another host.
 *
 * @returns for a write `unknown` where the server may have applied it, or may yet
 * @throws {InfisicalError} where the request certainly had no effect: `UNREACHABLE`, `INVALID_RESPONSE` (a redirect),
 *   `INVALID_INPUT` (a body beyond the server's limit of 1 MiB), and for a read also `TIMEOUT`
 */
export async function send(request: HttpRequest): Promise<Outcome> {
  const body = request.body === undefined ? undefined : JSON.stringify(request.body);
  if (body !== undefined && Buffer.byteLength(body) > maxBodyBytes) {
    throw new InfisicalError("INVALID_INPUT", { sentence: "Infisical takes requests of at most 1 MiB" });
  }
  const isRead = request.method === "GET";
  let response: Response;
  let text: string;
  try {
    response = await fetch(request.url, {
      method: request.method,
      redirect: "manual",
      signal: request.signal,
      headers: {
        ...(request.token === undefined ? {} : { authorization: `Bearer ${request.token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body }),
    });
    const rate = parseRateState((name) => response.headers.get(name));
    if (rate !== undefined) request.onRate?.(rate);
    text = await readText(response);
  } catch (error) {
    if (error instanceof InfisicalError) return { kind: "unknown", failure: error };
    const code = failedFetch.safeParse(error).data?.cause.code;
    if (code !== undefined && neverSent.has(code)) throw new InfisicalError("UNREACHABLE");
    if (isRead) throw new InfisicalError(request.signal.aborted ? "TIMEOUT" : "UNREACHABLE");
    return { kind: "unknown", failure: new InfisicalError("AMBIGUOUS") };
  }
  if (response.status >= 300 && response.status < 400) {
    throw new InfisicalError("INVALID_RESPONSE", {
      sentence:
        "the address of Infisical answers with a redirect, which is not followed; set the final address",
    });
  }
  const answer = parseJson(text);
  if (response.ok) {
    if (answer !== undefined) return { kind: "answered", body: answer };
    return { kind: "unknown", failure: new InfisicalError("INVALID_RESPONSE") };
  }
  const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"));
  if (response.status >= 500 && (response.status !== 500 || retryAfterMs === undefined)) {
    // A gateway's 502 to 504 says nothing about the server behind it, which may still be at work.
    const isOpen = !isRead && response.status >= 502 && response.status <= 504;
    return { kind: "unknown", failure: new InfisicalError(isOpen ? "AMBIGUOUS" : "SERVER_ERROR") };
  }
  const told = refusalBody.safeParse(answer).data ?? {};
  return {
    kind: "refused",
    refusal: {
      status: response.status,
      message: typeof told.message === "string" ? told.message : "",
      label: typeof told.error === "string" ? told.error : "",
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  };
}
