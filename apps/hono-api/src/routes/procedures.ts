import type { Catalog, TenantSecrets } from "@repo/tenant-secrets";
import type { Context } from "hono";
import { originOf, type ApiEnv } from "../context.ts";
import { logHttpError } from "../http-error.ts";
import type { Log } from "../log.ts";

/** Answers a request by the handler of the library, which forms answers and errors. Errors are logged here. */
export function answerBy(
  secrets: Pick<TenantSecrets<Catalog>, "handler">,
  log: Log,
): (c: Context<ApiEnv>) => Promise<Response> {
  return (c) => {
    const { method, url, headers, signal } = c.req.raw;
    // The body was read before, with its limits.
    return secrets.handler(
      { method, url, headers, signal, json: () => c.req.json() },
      {
        ...originOf(c),
        onCaller: ({ actor }) => c.set("actor", actor.kind),
        onError: ({ code: reason, diagnosis }) =>
          logHttpError(log, { requestId: c.get("requestId"), reason, diagnosis }),
      },
    );
  };
}
