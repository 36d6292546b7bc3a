import type { Context } from "hono";
import { invalidInput } from "../http-error.ts";

/** The query parameters of a procedure's URL; a query's input is in `input`. */
const parameters: ReadonlySet<string> = new Set(["batch", "input"]);
const contentType = new Headers({ "content-type": "application/json" });

/**
 * The part of a request that tRPC sees: method, URL, JSON. It gets no headers. In tRPC a caller's header or parameter can
 * switch on features that this API does not serve: streamed responses, which are HTTP 200 whatever fails later and end the
 * request's measurement early; connection parameters; the resumption of a subscription.
 *
 * @throws {HttpError} where the request asks for one of them, so that no client waits for it
 */
export function trpcRequest(c: Context): Request {
  if (c.req.header("trpc-accept") !== undefined) {
    throw invalidInput("Answers are not streamed: leave the header trpc-accept out, as httpBatchLink does.");
  }
  if (Object.keys(c.req.query()).some((name) => !parameters.has(name))) {
    throw invalidInput("The address of a procedure takes the parameters `batch` and `input` and no others.");
  }
  return new Proxy(c.req.raw, {
    get: (request, name): unknown => {
      switch (name) {
        case "method":
        case "url":
        case "signal":
          return Reflect.get(request, name, request);
        case "headers":
          return contentType;
        case "json":
          return () => c.req.json();
        default:
          return undefined;
      }
    },
  });
}
