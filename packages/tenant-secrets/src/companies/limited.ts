import type { PresentedFrom, RateLimits } from "../access/rate-limits.ts";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import type { Authenticate } from "./authenticate.ts";
import type { Companies } from "./companies.ts";
import { parseCredential } from "./credential.ts";

/** Wrong credentials count, and are not looked at when there were too many. One that was not sent is no guess. */
export function limitedAuthenticate(authenticate: Authenticate, limits: RateLimits): Authenticate {
  return async (request) => {
    const { credential, address, requestId } = request;
    if (credential === undefined) return authenticate(request);
    const presented: PresentedFrom = { address, requestId, prefix: parseCredential(credential)?.prefix };
    await limits.admitCredential(presented);
    try {
      return await authenticate(request);
    } catch (error) {
      const isWrong = error instanceof TenantSecretsError && error.code === "UNAUTHENTICATED";
      if (isWrong) await limits.credentialFailed(presented);
      throw error;
    }
  };
}

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
