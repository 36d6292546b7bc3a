import type { Context } from "hono";
import { invalidInput } from "./refusal.ts";

/** What may stand in a procedure's address; what a query takes is in `input`. */
const parameters: ReadonlySet<string> = new Set(["batch", "input"]);
const contentType = new Headers({ "content-type": "application/json" });

/**
 * A request as tRPC may see it: method, address, JSON. Its headers are for us alone. In tRPC a header or a parameter of the
 * caller's can switch on what is not served here: answers as a stream of lines, which are HTTP 200 whatever went wrong and
 * count as answered before anything is done; parameters of a connection; where a subscription goes on.
 *
 * @throws {Refusal} where such a thing is asked for, so that no client waits for it
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
