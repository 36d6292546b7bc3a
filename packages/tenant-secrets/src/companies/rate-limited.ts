import { TenantSecretsError } from "@repo/catalog";
import type { RateLimits } from "../access/rate-limits.ts";
import type { Companies } from "./companies.ts";

/** What enters a company counts for that company, and who is not let in, for whoever asked. */
export function limitedCompanies(companies: Companies, limits: RateLimits): Companies {
  return {
    ...companies,
    // Who is counted takes the long way.
    enterNow: (caller, subdomain, now) =>
      caller.actor.kind === "job" ? companies.enterNow(caller, subdomain, now) : undefined,
    enter: async (attempt, subdomain) => {
      try {
        const company = await companies.enter(attempt, subdomain);
        await limits.admitToCompany(attempt, company.id);
        return company;
      } catch (error) {
        if (error instanceof TenantSecretsError) await limits.callFailed(attempt.caller, error);
        throw error;
      }
    },
  };
}
