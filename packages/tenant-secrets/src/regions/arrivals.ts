import { asc, eq, gt, inArray, sql, and } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";

const { companies, companyHomes, regionCopies } = tables;

/** What there is here of a company that another region is the home of. */
export interface Arrival {
  readonly companyId: string;
  /** As the copies say, by the fence. */
  readonly homeRegion: string;
  readonly homeEpoch: number;
  /** Whether its home has deleted the copy of the company since it came. */
  readonly isWithdrawn: boolean;
  /** Of the company; null where it has not arrived, or was withdrawn. */
  readonly copy: typeof regionCopies.$inferSelect | null;
  /** Whether there are copies of its keys or secrets. */
  readonly hasOthers: boolean;
  /** The row that this region has of it. */
  readonly row: typeof companies.$inferSelect | null;
}

/** @param companyIds default: all, at most `limit` of them, after `after` in the order of their ids */
export async function selectArrivals(
  statements: Statements,
  ownRegion: string,
  which: { readonly companyIds: readonly string[] } | { readonly after: string; readonly limit: number },
): Promise<readonly Arrival[]> {
  const ofCompany = and(
    eq(regionCopies.companyId, companyHomes.companyId),
    eq(regionCopies.targetRegion, ownRegion),
    eq(regionCopies.kind, "company"),
  );
  const rows = await statements
    .select({
      home: companyHomes,
      copy: regionCopies,
      row: companies,
      hasOthers: sql<boolean>`exists (select from region_copies o
        where o.target_region = ${ownRegion} and o.company_id = ${companyHomes.companyId} and o.kind <> 'company')`,
    })
    .from(companyHomes)
    .leftJoin(regionCopies, ofCompany)
    .leftJoin(companies, eq(companies.id, companyHomes.companyId))
    .where(
      "after" in which
        ? gt(companyHomes.companyId, which.after)
        : inArray(companyHomes.companyId, [...which.companyIds]),
    )
    .orderBy(asc(companyHomes.companyId))
    .limit("after" in which ? which.limit : which.companyIds.length);
  return rows.map(({ home, copy, row, hasOthers }) => ({
    companyId: home.companyId,
    homeRegion: home.homeRegion,
    homeEpoch: home.homeEpoch,
    isWithdrawn: home.withdrawnAt !== null,
    copy,
    hasOthers,
    row,
  }));
}

/**
 * Whether what is here of a home is all that it sends: its subscription has had its first copy, which brought something. A first copy
 * that brought nothing may be one that was let see nothing.
 */
export async function isComplete(
  statements: Statements,
  ownRegion: string,
  homeRegion: string,
): Promise<boolean> {
  const subscription = `copies_from_${homeRegion}_to_${ownRegion}`;
  const [found] = await statements.execute<{ complete: boolean }>(sql`
    select exists (select from pg_subscription s where s.subname = ${subscription} and s.subenabled
        and s.subdbid = (select oid from pg_database where datname = current_database())
        and (select count(*) filter (where r.srsubstate = 'r') from pg_subscription_rel r where r.srsubid = s.oid) = 2)
      and exists (select from ${regionCopies} t where t.target_region = ${ownRegion} and t.home_region = ${homeRegion}) as complete`);
  return found?.complete === true;
}
