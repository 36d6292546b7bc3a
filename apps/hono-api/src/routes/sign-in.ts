import type { SignIn } from "@repo/sign-in";
import type { Handler } from "hono";
import { originOf, type ApiEnv } from "../context.ts";

/** The steps of a sign-in. Its errors are mapped to responses as those of any other route. */
export function serveSignIn(handler: SignIn["handler"]): Handler<ApiEnv> {
  return async (c) => {
    const { url, headers } = c.req.raw;
    // The body was read before, with its limits.
    const request = new Request(url, { method: "POST", headers, body: await c.req.text() });
    const response = await handler(request, originOf(c));
    if (response.ok && c.req.path.endsWith("/sign-out")) {
      // What the browser keeps of the pages goes with the session.
      response.headers.set("clear-site-data", '"cache", "storage"');
    }
    return response;
  };
}
