import { findCompanyRow, findCompanyRowById, type CompanyRow, type Database } from "@repo/db";
import { isDatabaseUnavailable } from "@repo/audit-log";
import type { AuthenticRows } from "../access/authentic-rows.ts";
import { createCache, type CacheTtl, type Cache } from "../cache/cache.ts";

/** Cached lookup of companies by subdomain. */
export interface CompanyRows extends Pick<Cache<CompanyRow>, "markStale" | "start" | "stop"> {
  /** Of this deployment: companies with another home are at home elsewhere. */
  readonly ownRegion: string;
  /**
   * @param now by `performance.now()`
   * @returns the cached row; undefined on a cache miss, and if there is no such company
   */
  peek(subdomain: string, now: number): CompanyRow | undefined;
  /**
   * For callers that may enter every company. A row that is not genuine is ignored. @throws {TenantSecretsError}
   * DATABASE_UNAVAILABLE
   */
  find(subdomain: string): Promise<CompanyRow | undefined>;
  /** As `find`, by id and without the cache. */
  findById(id: string): Promise<CompanyRow | undefined>;
  /**
   * As `find`, for a caller who must not learn which companies exist. A company that it may not enter is queried each time,
   * whether it exists or not: both take as long, and fail in the same way during an outage.
   */
  findFor(enters: (row: CompanyRow) => boolean, subdomain: string): Promise<CompanyRow | undefined>;
  /** A company's name, store or status has changed. */
  invalidate(companyId: string): void;
}

const bounds = { maxEntries: 10_000, maxBytes: 10_000_000 };
const rowBytes = 700;

export function createCompanyRows(
  database: Database,
  authentic: AuthenticRows,
  { ownRegion, ...cacheOptions }: CacheTtl & Pick<CompanyRows, "ownRegion">,
): CompanyRows {
  const rows = createCache<CompanyRow>({
    ...cacheOptions,
    // These bounds come last: `cacheOptions` may contain the bounds of the secret cache.
    ...bounds,
    sizeOf: () => rowBytes,
    isUnavailable: isDatabaseUnavailable,
    isSourceUnavailable: isDatabaseUnavailable,
  });
  // All names belong to one cache owner: the least recently used name is evicted, whichever company it is of.
  const cacheKeyOf = (subdomain: string) => ({ owner: "", name: subdomain, source: "database" });
  const genuine = async (find: () => Promise<CompanyRow | undefined>): Promise<CompanyRow | undefined> => {
    const row = await find();
    const isGenuine = row !== undefined && (await authentic.accepts({ kind: "company", ...row }, row));
    return isGenuine ? row : undefined;
  };
  const load = (subdomain: string): Promise<CompanyRow | undefined> =>
    genuine(() => findCompanyRow(database, subdomain));
  return {
    ownRegion,
    markStale: () => rows.markStale(),
    start: () => rows.start(),
    stop: () => rows.stop(),
    peek: (subdomain, now) => rows.peek(cacheKeyOf(subdomain), now)?.value,
    find: (subdomain) => rows.get(cacheKeyOf(subdomain), () => load(subdomain)),
    findFor: (enters, subdomain) => {
      const key = cacheKeyOf(subdomain);
      const known = rows.peekIncludingStale(key);
      return known !== undefined && enters(known)
        ? rows.get(key, () => load(subdomain))
        : rows.getFresh(key, () => load(subdomain));
    },
    findById: (id) => genuine(() => findCompanyRowById(database, id)),
    invalidate: (companyId) => rows.invalidateWhere(({ id }) => id === companyId),
  };
}
