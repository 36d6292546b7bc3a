import { OutboundError, type OutboundAnswer, type OutboundRequest } from "@repo/outbound";
import type { z } from "zod";
import type { DriverCall } from "./driver.ts";
import { DriverError } from "./driver-error.ts";

/** A step of 30 seconds has room for three requests. */
const requestTimeoutMs = 10_000;
/** Bytes of an answer. SendGrid lists 100 keys with names of 100 characters in up to 45 KiB. */
const longestBody = 256 * 1024;
/** The longest that a provider can make a rotation wait: it may ask for any time. */
const mostRetryAfterMs = 86_400_000;

/** Whether another attempt does not mend it: the long page of a server that fails is gone with its failure. */
function isFinal({ code, status = 0 }: OutboundError): boolean {
  return code === "ADDRESS" || code === "REQUEST" || (code === "TOO_LARGE" && status < 500);
}

/**
 * Sends one request of a step.
 *
 * @throws {DriverError} transient; misconfigured where the address may not be connected to, a value can stand in no header, or the
 *   answer is longer than any that a driver reads
 */
export async function send(
  { fetch, signal }: Pick<DriverCall, "fetch" | "signal">,
  url: string,
  request: Pick<OutboundRequest, "method" | "headers" | "body">,
): Promise<OutboundAnswer> {
  try {
    return await fetch(url, { ...request, signal, timeoutMs: requestTimeoutMs, longestBody });
  } catch (error) {
    throw new DriverError(error instanceof OutboundError && isFinal(error) ? "misconfigured" : "transient");
  }
}

/**
 * A text as one part of a path. A URL reads `.` and `..` as steps to another one, however they are encoded.
 *
 * @throws {DriverError} misconfigured
 */
export function pathPart(text: string): string {
  if (text === "" || text === "." || text === "..") throw new DriverError("misconfigured");
  return encodeURIComponent(text);
}

/** @returns undefined for what is no JSON of this shape, such as the page of a proxy */
export function findJson<Shape extends z.ZodType>(
  { body }: Pick<OutboundAnswer, "body">,
  shape: Shape,
): z.output<Shape> | undefined {
  try {
    return shape.safeParse(JSON.parse(body.toString("utf8"))).data;
  } catch {
    return undefined;
  }
}

/** @throws {DriverError} transient where the answer has not this shape */
export function readJson<Shape extends z.ZodType>(answer: OutboundAnswer, shape: Shape): z.output<Shape> {
  const found = findJson(answer, shape);
  if (found === undefined) throw new DriverError("transient");
  return found;
}

/** The error of an answer that says that the request was not carried out, of statuses that mean the same at all providers. */
export function failureOf({ status, headers }: OutboundAnswer): DriverError {
  if (status === 429 || status >= 500) {
    return new DriverError("transient", { retryAfterMs: retryAfterOf(headers.get("retry-after")) });
  }
  if (status === 401 || status === 403) return new DriverError("not-allowed");
  return new DriverError(status >= 400 ? "misconfigured" : "transient");
}

/** Seconds or a date, as RFC 9110 has them. @returns undefined for neither, and for a time that is over */
function retryAfterOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  const waitMs = /^\d{1,12}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return waitMs > 0 ? Math.min(waitMs, mostRetryAfterMs) : undefined;
}
