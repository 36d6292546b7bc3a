import { findCompanyRow, findCompanyRowById, type CompanyRow, type Database } from "@repo/db";
import { isDatabaseUnavailable } from "@repo/audit-log";
import type { AuthenticRows } from "../access/authentic-rows.ts";
import { createCache, type CacheTtl, type Cache } from "../cache/cache.ts";

/** Which company a subdomain names. */
export interface CompanyRows extends Pick<Cache<CompanyRow>, "markStale" | "start" | "stop"> {
  /**
   * @param now by `performance.now()`
   * @returns what is at hand; undefined where it has to be asked for, or there is no such company
   */
  peek(subdomain: string, now: number): CompanyRow | undefined;
  /** For whoever may enter every company. A row that is not genuine is none. @throws {TenantSecretsError} DATABASE_UNAVAILABLE */
  find(subdomain: string): Promise<CompanyRow | undefined>;
  /** As `find`, as the database has it now. */
  findById(id: string): Promise<CompanyRow | undefined>;
  /**
   * As `find`, for a caller who must not learn which companies there are. What may not be entered is asked for each time,
   * whether there is such a company or not: it takes as long, and fails in an outage in the same way.
   */
  findFor(enters: (row: CompanyRow) => boolean, subdomain: string): Promise<CompanyRow | undefined>;
  /** A company has changed: its name, where its secrets live, or whether it may be entered. */
  invalidate(companyId: string): void;
}

const bounds = { maxEntries: 10_000, maxBytes: 10_000_000 };
const rowBytes = 700;

export function createCompanyRows(
  database: Database,
  authentic: AuthenticRows,
  cacheOptions: CacheTtl,
): CompanyRows {
  const rows = createCache<CompanyRow>({
    ...cacheOptions,
    // Last: whoever keeps values as well says how many of these, which is nothing to rows.
    ...bounds,
    sizeOf: () => rowBytes,
    isUnavailable: isDatabaseUnavailable,
    isSourceUnavailable: isDatabaseUnavailable,
  });
  // Nobody owns names that are asked for: what was not used for longest makes room.
  const cacheKeyOf = (subdomain: string) => ({ owner: "", name: subdomain, source: "database" });
  const genuine = async (find: () => Promise<CompanyRow | undefined>): Promise<CompanyRow | undefined> => {
    const row = await find();
    const counts = row !== undefined && (await authentic.accepts({ kind: "company", ...row }, row));
    return counts ? row : undefined;
  };
  const load = (subdomain: string): Promise<CompanyRow | undefined> =>
    genuine(() => findCompanyRow(database, subdomain));
  return {
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
