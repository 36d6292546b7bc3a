import type { Catalog, TenantSecrets } from "@repo/tenant-secrets";
import { maxBatchSize } from "@repo/tenant-secrets/http";
import type { Handler } from "hono";
import type { ApiEnv } from "../context.ts";
import { invalidInput } from "../http-error.ts";
import type { Log } from "../log.ts";
import { answerBy } from "./procedures.ts";

/** The query parameters of a procedure's URL; a query's input is in `input`. */
const parameters: ReadonlySet<string> = new Set(["batch", "input"]);

/**
 * The typed API. What a request must not ask for is refused here, so that no client waits for it: the handler ignores it.
 */
export function serveTrpc(secrets: Pick<TenantSecrets<Catalog>, "handler">, log: Log): Handler<ApiEnv> {
  const answer = answerBy(secrets, log);
  return (c) => {
    // tRPC rejects this too, but before it has a context, and so without the request's id.
    if (c.req.path.split(",").length > maxBatchSize) {
      throw invalidInput(`A request carries at most ${maxBatchSize} calls.`);
    }
    if (c.req.header("trpc-accept") !== undefined) {
      throw invalidInput(
        "Answers are not streamed: leave the header trpc-accept out, as httpBatchLink does.",
      );
    }
    if (Object.keys(c.req.query()).some((name) => !parameters.has(name))) {
      throw invalidInput(
        "The address of a procedure takes the parameters `batch` and `input` and no others.",
      );
    }
    return answer(c);
  };
}
