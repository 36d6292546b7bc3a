import { fetchRequestHandler } from "@trpc/server/adapters/fetch";
import { maxBatchSize, type Fetch } from "../api-requests.ts";
import type { RequestOrigin } from "../companies/authenticate.ts";
import type { Services } from "../product-services.ts";
import { appRouter } from "./router.ts";
import { createContext, requestOf } from "./trpc.ts";

/** What may stand in a procedure's address; what a query takes is in `input`. */
const parameters: ReadonlySet<string> = new Set(["batch", "input"]);

/**
 * Answers a request to `/trpc/…`: the same router, checks and errors for a server and in process.
 *
 * @param origin where the request comes from, for the audit log and for the limit of wrong credentials of an address
 */
export function handleRequest(
  services: Services,
  request: Request,
  origin: RequestOrigin = {},
): Promise<Response> {
  return fetchRequestHandler({
    endpoint: "/trpc",
    req: plainRequest(request),
    router: appRouter,
    maxBatchSize,
    createContext: () => createContext(services, requestOf(request.headers, origin)),
  });
}

/**
 * A request as tRPC may see it: method, address, JSON. In tRPC, a header or a parameter of the caller's can switch on what is
 * not served here: streamed answers, parameters of a connection, subscriptions that go on.
 */
function plainRequest(request: Request): Request {
  const url = new URL(request.url);
  url.search = new URLSearchParams([...url.searchParams].filter(([name]) => parameters.has(name))).toString();
  return new Request(url, {
    method: request.method,
    headers: { "content-type": request.headers.get("content-type") ?? "" },
    signal: request.signal,
    ...(request.body === null ? {} : { body: request.body, duplex: "half" }),
  });
}

/** What the typed client can send its requests to instead of a server. */
export function inProcessFetch(services: Services): Fetch {
  return (url, init) => handleRequest(services, new Request(url, init));
}
