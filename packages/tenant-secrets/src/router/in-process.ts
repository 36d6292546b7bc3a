import { fetchRequestHandler } from "@trpc/server/adapters/fetch";
import { maxBatchSize, type Fetch } from "../api-requests.ts";
import type { Services } from "../product-services.ts";
import { appRouter } from "./router.ts";
import { createContext, requestOf } from "./trpc.ts";

/**
 * What the typed client can send its requests to instead of a server: the same router, checks and errors, without a
 * socket in between. The audit log shows no address.
 */
export function inProcessFetch(services: Services): Fetch {
  return (url, init) => {
    const request = new Request(url, init);
    return fetchRequestHandler({
      endpoint: "/trpc",
      req: request,
      router: appRouter,
      maxBatchSize,
      createContext: () => createContext(services, requestOf(request.headers, {})),
    });
  };
}
