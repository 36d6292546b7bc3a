import type { CompanyStore, CompanyStoresQuery } from "@repo/catalog";
import { withApi } from "../api.ts";
import { retryRateLimited } from "../retry-rate-limited.ts";

const pageSize = 500;

/** Where the secrets of all companies of a query are, by subdomain. */
export function readStores(
  query: Omit<CompanyStoresQuery, "after" | "limit">,
): Promise<readonly CompanyStore[]> {
  return withApi("TENANT_SECRETS_OPERATOR_TOKEN", async (api) => {
    const found: CompanyStore[] = [];
    for (;;) {
      const after = found.at(-1)?.company.subdomain;
      const { companies } = await retryRateLimited(() =>
        api.migrations.status.query({ ...query, after, limit: pageSize }),
      );
      found.push(...companies);
      if (companies.length < pageSize) return found;
    }
  });
}
