import { fetchRequestHandler } from "@trpc/server/adapters/fetch";
import { maxBatchSize, type Fetch } from "../client.ts";
import type { Services } from "../tenant-secrets.ts";
import { appRouter } from "./router.ts";
import { createContext, requestOf } from "./trpc.ts";

/**
 * What the typed client can send its requests to instead of a server: the same router, checks and errors, without a
 * socket in between. The record shows no address.
 */
export function inProcessFetch(services: Services): (...request: Parameters<Fetch>) => Promise<Response> {
  return (input, init) => {
    const request = new Request(input instanceof URL ? input.href : input, asRequestInit(init));
    return fetchRequestHandler({
      endpoint: "/trpc",
      req: request,
      router: appRouter,
      maxBatchSize,
      createContext: () => createContext(services, requestOf(request.headers, {})),
    });
  };
}

/** tRPC's own type differs from the platform's only in allowing `undefined` where the platform has nothing. */
function asRequestInit(init: Parameters<Fetch>[1]): RequestInit {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return (init ?? {}) as RequestInit;
}
