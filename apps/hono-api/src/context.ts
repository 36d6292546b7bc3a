import type { HttpBindings } from "@hono/node-server";
import type { Actor } from "@repo/tenant-secrets";
import type { RequestOrigin } from "@repo/tenant-secrets/http";
import type { Context } from "hono";

/** What a request carries on its way through the middleware. */
export interface ApiEnv {
  readonly Bindings: HttpBindings;
  readonly Variables: {
    requestId: string;
    /** The client's, in one spelling; undefined where the socket is closed. */
    address: string | undefined;
    /** For the log. Set once the credential is authenticated. */
    actor?: Actor["kind"];
    /** For the log. Set once the company is resolved. */
    company?: string;
    /** Of the response's Content-Security-Policy. Set by hono/secure-headers. */
    secureHeadersNonce?: string;
  };
}

/** For the audit log, the rate limits and the networks that an API key is restricted to. */
export function originOf(c: Context<ApiEnv>): RequestOrigin {
  return { requestId: c.get("requestId"), address: c.get("address") };
}
