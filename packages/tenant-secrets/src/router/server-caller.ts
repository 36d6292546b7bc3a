import { callTRPCProcedure, TRPCError } from "@trpc/server";
import { callsOf, type Catalog, type CompanySecrets, companySecrets, vaultOperations } from "@repo/catalog";
import type { CompanyScope } from "../companies/companies.ts";
import type { Services } from "../product-services.ts";
import { appRouter } from "./router.ts";
import { createScopeContext, publicError } from "./trpc.ts";

/**
 * One company's secrets for server code that has authenticated a request: each call is an in-process procedure call, with the
 * same validation, errors and events as over HTTP.
 *
 * @param scope of this request, from `companies.resolve`; it is not resolved again for each call
 */
export function serverCaller<C extends Catalog>(
  secrets: Services & { readonly catalog: C },
  scope: CompanyScope,
): CompanySecrets<C> {
  const ctx = createScopeContext(secrets, scope);
  const { subdomain: company } = scope.company;
  const calls = callsOf(vaultOperations, async (name, input) => {
    const call = { router: appRouter, path: `secrets.${name}`, ctx, type: vaultOperations[name].kind };
    const sent = { ...input, company };
    try {
      return await callTRPCProcedure({
        ...call,
        getRawInput: async () => sent,
        signal: undefined,
        batchIndex: 0,
      });
    } catch (error) {
      throw error instanceof TRPCError ? publicError(error) : error;
    }
  });
  return companySecrets(secrets.catalog, calls);
}
