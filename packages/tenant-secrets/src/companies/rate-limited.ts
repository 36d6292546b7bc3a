import { asTenantSecretsError } from "@repo/audit-log";
import type { Catalog } from "@repo/catalog";
import type { RateLimits } from "../access/rate-limits.ts";
import type { Companies } from "./companies.ts";

/** Charges each resolution to the company's call budget, and each denial to the caller. */
export function limitedCompanies(
  companies: Companies,
  { limits, catalog }: { readonly limits: RateLimits; readonly catalog: Catalog },
): Companies {
  return {
    ...companies,
    // Jobs are not rate-limited.
    resolveCached: (caller, subdomain, now) =>
      caller.actor.kind === "job" ? companies.resolveCached(caller, subdomain, now) : undefined,
    resolve: async ({ secretKey, ...asked }, subdomain) => {
      const isKnown = secretKey !== undefined && catalog.find(secretKey) !== undefined;
      const request = isKnown ? { ...asked, secretKey } : asked;
      try {
        const scope = await companies.resolve(request, subdomain);
        await limits.admitToCompany(request, scope.company.id);
        return scope;
      } catch (thrown) {
        const error = asTenantSecretsError(thrown);
        await limits.callFailed(request.caller, error);
        throw error;
      }
    },
  };
}
