import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { secureHeaders } from "hono/secure-headers";
import { HttpError } from "../http-error.ts";

/** Responses are data for programs: a browser that opens one executes, frames and passes on nothing. */
export const securityHeaders = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    frameAncestors: ["'none'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
  },
  strictTransportSecurity: "max-age=31536000; includeSubDomains",
  xFrameOptions: "DENY",
});

const safeMethods = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Rejects requests with side effects that come from pages of other origins. A browser sets Origin and Sec-Fetch-Site by
 * itself, and a page cannot change them; other clients send neither.
 *
 * @param allowedOrigins origins that may, although the browser calls them same-site or cross-site
 */
export function rejectCrossOrigin(allowedOrigins: readonly string[]): MiddlewareHandler {
  return async (c, next) => {
    const site = c.req.header("sec-fetch-site");
    const origin = c.req.header("origin");
    const isCrossOrigin =
      origin === undefined
        ? site !== undefined && site !== "same-origin" && site !== "none"
        : !allowedOrigins.includes(origin);
    if (isCrossOrigin && !safeMethods.has(c.req.method)) {
      throw new HttpError({
        status: 403,
        reason: "FORBIDDEN",
        message: "Requests from pages of this origin are not taken.",
      });
    }
    await next();
  };
}

/** CORS headers for pages of these origins. Pages of other origins get none. */
export function allowCors(allowedOrigins: readonly string[]): MiddlewareHandler {
  const withCors = cors({
    origin: [...allowedOrigins],
    allowMethods: ["GET", "POST"],
    allowHeaders: ["authorization", "content-type", "idempotency-key", "traceparent"],
    exposeHeaders: ["retry-after", "x-request-id"],
    maxAge: 600,
  });
  return (c, next) => {
    const mayNeedCors =
      c.req.method !== "OPTIONS" || c.req.header("access-control-request-method") !== undefined;
    return mayNeedCors && allowedOrigins.includes(c.req.header("origin") ?? "") ? withCors(c, next) : next();
  };
}
