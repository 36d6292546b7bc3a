import { appRouter, createContext, publicError, requestOf } from "@repo/tenant-secrets/http";
import type { Catalog, Services, TenantSecrets } from "@repo/tenant-secrets";
import { maxBatchSize } from "@repo/tenant-secrets/client";
import { fetchRequestHandler } from "@trpc/server/adapters/fetch";
import type { Context, Handler } from "hono";
import { originOf, type ApiEnv } from "../context.ts";
import type { Log } from "../log.ts";
import { allow, invalidInput, logHttpError, retryAfter } from "../http-error.ts";
import { trpcRequest } from "./trpc-request.ts";

/** The typed API. The router formats errors; here they are logged, and get the header `retry-after`. */
export function serveTrpc(secrets: Pick<TenantSecrets<Catalog>, "admin">, log: Log): Handler<ApiEnv> {
  return (c) => {
    // tRPC rejects this too, but before it has a context, and so without the request's id.
    if (c.req.path.split(",").length > maxBatchSize) {
      throw invalidInput(`A request carries at most ${maxBatchSize} calls.`);
    }
    return fetchRequestHandler({
      endpoint: "/trpc",
      req: trpcRequest(c),
      router: appRouter,
      maxBatchSize,
      createContext: () => contextOf(secrets.admin, c),
      onError: ({ error }) => {
        const { code: reason, diagnosis } = publicError(error);
        logHttpError(log, { requestId: c.get("requestId"), reason, diagnosis });
      },
      responseMeta: ({ errors, type }) => {
        const waits = errors.flatMap((error) => publicError(error).retryAfterMs ?? []);
        const isOfAnother = errors.some(({ code }) => code === "METHOD_NOT_SUPPORTED");
        return {
          headers: {
            ...retryAfter(waits.length === 0 ? undefined : Math.max(...waits)),
            ...allow(isOfAnother ? [type === "mutation" ? "POST" : "GET"] : undefined),
          },
        };
      },
    });
  };
}

function contextOf(secrets: Services, c: Context<ApiEnv>): ReturnType<typeof createContext> {
  const context = createContext(secrets, requestOf(c.req.raw.headers, originOf(c)));
  return {
    ...context,
    caller: async () => {
      const caller = await context.caller();
      c.set("actor", caller.actor.kind);
      return caller;
    },
  };
}
