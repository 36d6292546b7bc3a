import { fetchRequestHandler } from "@trpc/server/adapters/fetch";
import { maxBatchSize, type Fetch } from "../api-requests.ts";
import type { RequestOrigin } from "../companies/authenticate.ts";
import type { Services } from "../product-services.ts";
import { type ApiRequest, observedContext, type RequestObserver } from "./observed-context.ts";
import { answerPlainly, plainPath } from "./plain-door.ts";
import { appRouter } from "./router.ts";
import { publicError, retryAfter } from "./trpc.ts";

/** What may stand in a procedure's address; what a query takes is in `input`. */
const parameters: ReadonlySet<string> = new Set(["batch", "input"]);

/**
 * Answers a request to `/trpc/…`, in the form of the typed client, and one to `/api/v1/…` in plain JSON: the same router, checks and
 * errors for a server and in process. An answer has the headers `retry-after` and `allow` where they apply.
 *
 * @param origin where the request comes from, for the audit log and for the limit of wrong credentials of an address
 */
export function handleRequest(
  services: Services,
  request: ApiRequest,
  observer: RequestOrigin & RequestObserver = {},
): Promise<Response> {
  if (new URL(request.url).pathname.startsWith(plainPath)) return answerPlainly(services, request, observer);
  const { onError, ...origin } = observer;
  return fetchRequestHandler({
    endpoint: "/trpc",
    req: plainRequest(request),
    router: appRouter,
    maxBatchSize,
    createContext: () => observedContext(services, request, origin),
    onError: ({ error }) => onError?.(publicError(error)),
    responseMeta: ({ errors, type }) => {
      const waits = errors.flatMap((error) => publicError(error).retryAfterMs ?? []);
      const isOfAnother = errors.some(({ code }) => code === "METHOD_NOT_SUPPORTED");
      return {
        headers: {
          ...retryAfter(waits.length === 0 ? undefined : Math.max(...waits)),
          ...(isOfAnother ? { allow: type === "mutation" ? "POST" : "GET" } : {}),
        },
      };
    },
  });
}

/**
 * A request as tRPC may see it: method, address, JSON. In tRPC, a header or a parameter of the caller's can switch on what is
 * not served here: streamed answers, parameters of a connection, subscriptions that go on.
 */
function plainRequest(request: ApiRequest): Request {
  const { method, url, headers, signal } = request;
  const isJson = /^application\/json\b/i.test(headers.get("content-type") ?? "");
  const plain = {
    method,
    url: plainAddress(url),
    signal,
    headers: isJson ? jsonHeaders : noHeaders,
    json: () => request.json(),
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- tRPC reads nothing else of a request with JSON: a test of apps/hono-api lists it
  return plain as unknown as Request;
}

/** Shared by all requests: tRPC reads them only. */
const jsonHeaders = new Headers({ "content-type": "application/json" });
const noHeaders = new Headers();

function plainAddress(address: string): string {
  if (!address.includes("?")) return address;
  const url = new URL(address);
  url.search = new URLSearchParams([...url.searchParams].filter(([name]) => parameters.has(name))).toString();
  return url.href;
}

/** What the typed client can send its requests to instead of a server. */
export function inProcessFetch(services: Services): Fetch {
  return (url, init) => handleRequest(services, new Request(url, init));
}
