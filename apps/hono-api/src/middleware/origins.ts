import { requestOf } from "@repo/tenant-secrets/http";
import type { Context, MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { originOf, type ApiEnv } from "../context.ts";
import { HttpError } from "../http-error.ts";

export interface Origins {
  /** The origin of the admin app's page. */
  readonly publicOrigin: string;
  /** Origins whose pages may send changes with a credential, and read answers. */
  readonly allowedOrigins: readonly string[];
}

const safeMethods = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Rejects what pages of other origins send. A browser sets Origin and Sec-Fetch-Site by itself, and a page cannot change them;
 * other clients send neither.
 *
 * - A change with a credential, or with nothing, is refused from a page that is neither ours nor of an allowed origin.
 * - A change with a cookie alone is refused unless the browser says that our page sends it: a browser adds cookies to
 *   requests that a person did not intend.
 * - A read with a cookie alone is refused from any page but ours.
 *
 * A request with a credential counts as the credential's, whatever cookies it has: authentication ignores them then.
 */
export function rejectOtherPages(origins: Origins): MiddlewareHandler<ApiEnv> {
  return (c, next) => {
    const sender = senderOf(c, origins);
    const isSafe = safeMethods.has(c.req.method);
    const isTaken = hasCookieAlone(c)
      ? sender === "our page" || (isSafe && sender === "no page")
      : isSafe || sender !== "another page";
    if (!isTaken) {
      throw new HttpError({
        status: 403,
        reason: "FORBIDDEN",
        message: "Requests from pages of this origin are not taken.",
      });
    }
    return next();
  };
}

function senderOf(
  c: Context,
  { publicOrigin, allowedOrigins }: Origins,
): "our page" | "allowed page" | "another page" | "no page" {
  const site = c.req.header("sec-fetch-site");
  const origin = c.req.header("origin");
  if (origin === undefined) {
    if (site === "same-origin") return "our page";
    return site === undefined || site === "none" ? "no page" : "another page";
  }
  if (origin === publicOrigin && (site === undefined || site === "same-origin")) return "our page";
  return allowedOrigins.includes(origin) ? "allowed page" : "another page";
}

function hasCookieAlone(c: Context<ApiEnv>): boolean {
  return (
    c.req.header("cookie") !== undefined && requestOf(c.req.raw.headers, originOf(c)).credential === undefined
  );
}

/** CORS headers for pages of these origins. Pages of other origins get none. Credentials are sent, cookies are not. */
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
