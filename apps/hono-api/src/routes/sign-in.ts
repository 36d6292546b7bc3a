import type { SignIn } from "@repo/sign-in";
import type { Handler } from "hono";
import { originOf, type ApiEnv } from "../context.ts";

/** The steps of a sign-in. Its errors are mapped to responses as those of any other route. */
export function serveSignIn(handler: SignIn["handler"]): Handler<ApiEnv> {
  return async (c) => {
    const { url, headers } = c.req.raw;
    // The body was read before, with its limits.
    return handler(new Request(url, { method: "POST", headers, body: await c.req.text() }), originOf(c));
  };
}
