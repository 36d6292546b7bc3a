import type { Catalog } from "@repo/catalog";
import { announceSecret } from "@repo/db";
import type { CacheTtl } from "../cache/cache.ts";
import type { Bounds } from "../cache/fair-lru.ts";
import type { Company } from "../companies/companies.ts";
import { refusingOptions } from "../stores/capabilities.ts";
import { createCopyStore } from "../stores/copies/copy-store.ts";
import { createDatabaseStore } from "../stores/database/database-store.ts";
import { createQuotas, type QuotaOptions } from "../stores/database/quotas.ts";
import { createHybridStore } from "../stores/hybrid/hybrid-store.ts";
import { createInfisicalStore } from "../stores/infisical/infisical-store.ts";
import { createOutsideWrites } from "../stores/infisical/outside-writes.ts";
import { invalidating } from "../stores/invalidating.ts";
import { createSecretCache } from "../vault/secret-cache.ts";
import type { Replacements } from "./assembly.ts";
import type { Base } from "./base.ts";

interface StoreOptions {
  readonly catalog: Catalog;
  readonly quotas: QuotaOptions | undefined;
  readonly cacheOptions: CacheTtl & Bounds;
  readonly replaceStores: Replacements["replaceStores"];
}

/** The three stores, the product's own or their replacements, and the cache that their changes invalidate. */
export function assembleStores(base: Base, options: StoreOptions) {
  const { database, audit } = base;
  const { catalog, quotas, cacheOptions, replaceStores } = options;
  const infisicalStore = createInfisicalStore(base.infisical, createOutsideWrites(base));
  const limits = createQuotas(database, quotas);
  const databaseStore = createDatabaseStore({ ...base, quotas: limits });
  const hybridStore = createHybridStore({
    catalog,
    database: databaseStore,
    infisical: infisicalStore,
    recheckAfterMs: cacheOptions.ttlMs,
  });
  const cache = createSecretCache(cacheOptions);
  const invalidate = async ({ id }: Company, secretKeys: readonly string[]): Promise<void> => {
    for (const secretKey of secretKeys) cache.invalidate(id, secretKey);
  };
  /** Triggers announce the changes in the database. A process that misses this announcement serves its cached value until it expires. */
  const announceOutside = async (companyId: string, secretKey: string): Promise<void> => {
    cache.invalidate(companyId, secretKey);
    await announceSecret(database, companyId, secretKey).catch(() => {});
  };
  const builtIn = { infisical: infisicalStore, hybrid: hybridStore, database: databaseStore };
  const inUse = { ...builtIn, ...replaceStores?.({ audit, stores: builtIn }) };
  return {
    copies: createCopyStore(base),
    stores: {
      infisical: invalidating(refusingOptions(inUse.infisical), async ({ id }, secretKeys) => {
        for (const secretKey of secretKeys) await announceOutside(id, secretKey);
      }),
      hybrid: invalidating(refusingOptions(inUse.hybrid), invalidate),
      database: invalidating(refusingOptions(inUse.database), invalidate),
    },
    infisicalStore,
    quotas: limits,
    databaseStore,
    hybridStore,
    cache,
    announceOutside,
  };
}
