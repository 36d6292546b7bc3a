import type { Caller, TenantSecretsError } from "@repo/catalog";
import type { RequestOrigin } from "../companies/authenticate.ts";
import type { Services } from "../product-services.ts";
import { createContext, requestOf, type Context } from "./trpc.ts";

/** The parts of a request that are read: of a `Request`, or of a framework that has read the body before. */
export type ApiRequest = Pick<Request, "method" | "url" | "headers" | "signal" | "json">;

/** Called while a request is answered, for the server's log. */
export interface RequestObserver {
  /** Once the credential is authenticated. */
  readonly onCaller?: ((caller: Caller) => void) | undefined;
  /** For each call that fails, as its caller is told. */
  readonly onError?: ((error: TenantSecretsError) => void) | undefined;
}

/** The context of a remote request, whichever form its calls have. */
export function observedContext(
  services: Services,
  { headers }: Pick<ApiRequest, "headers">,
  { onCaller, ...origin }: RequestOrigin & Pick<RequestObserver, "onCaller">,
): Context {
  const context = createContext(services, requestOf(headers, origin));
  return {
    ...context,
    caller: async () => {
      const caller = await context.caller();
      onCaller?.(caller);
      return caller;
    },
  };
}
