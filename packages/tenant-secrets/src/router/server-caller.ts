import { TRPCError } from "@trpc/server";
import type { Catalog } from "../catalog/catalog.ts";
import { companySecrets, type CompanySecrets } from "../catalog/company-secrets.ts";
import type { TenantSecrets } from "../tenant-secrets.ts";
import type { Caller } from "../vocabulary/actor.ts";
import { createCaller } from "./router.ts";
import { createCallerContext, publicError } from "./trpc.ts";

/**
 * One company's secrets for server code that has a checked request at hand: every call is a procedure call, in process,
 * with the same checks, errors and events as over HTTP.
 */
export function serverCaller<C extends Catalog>(
  secrets: TenantSecrets<C>,
  caller: Caller,
  company: string,
): CompanySecrets<C> {
  const { secrets: call } = createCaller(createCallerContext(secrets, caller));
  return companySecrets(secrets.catalog, {
    read: async (secretKey) => (await unwrapped(() => call.read({ company, secretKey }))).value,
    write: (secretKey, value, options) =>
      unwrapped(() => call.write({ company, secretKey, value, ...options })),
    list: () => unwrapped(() => call.list({ company })),
    remove: (secretKey, options) => unwrapped(() => call.remove({ company, secretKey, ...options })),
    restore: (secretKey) => unwrapped(() => call.restore({ company, secretKey })),
  });
}

async function unwrapped<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof TRPCError ? publicError(error) : error;
  }
}
