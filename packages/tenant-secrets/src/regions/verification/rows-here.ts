import { and, asc, inArray, isNull, ne, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";

const { companies, companyHomes, companyKeys, companyRegions, companySecrets, regionCopies, regionRefusals } =
  tables;

export type CopyRow = typeof regionCopies.$inferSelect;

/** All that one region has of a company, as far as other regions are concerned. */
export interface RowsOfCompany {
  readonly id: string;
  readonly row:
    | Pick<typeof companies.$inferSelect, "subdomain" | "status" | "homeRegion" | "homeEpoch">
    | undefined;
  readonly permissions: readonly (typeof companyRegions.$inferSelect)[];
  readonly copies: readonly CopyRow[];
  readonly fence: typeof companyHomes.$inferSelect | undefined;
  readonly refusals: readonly (typeof regionRefusals.$inferSelect)[];
  /** Those with a value. */
  readonly secrets: readonly Pick<
    typeof companySecrets.$inferSelect,
    "secretKey" | "secretValueEncrypted" | "mac"
  >[];
  /** The numbers of those that are not destroyed. */
  readonly keys: readonly number[];
}

/** The ids of a page of companies that have to do with another region, in order. @param after of the last page */
export async function selectCompaniesBetweenRegions(
  statements: Statements,
  ownRegion: string,
  { after, limit }: { readonly after: string | undefined; readonly limit: number },
): Promise<readonly string[]> {
  const rows = await statements.execute<{ id: string }>(sql`
    select id from (
      select company_id as id from region_copies union select company_id from company_regions
      union select company_id from region_refusals union select id from companies where home_region <> ${ownRegion}
    ) found where ${after ?? null}::uuid is null or id > ${after ?? null}::uuid order by id limit ${limit}`);
  return [...rows].map(({ id }) => id);
}

/** The ids of companies that have a subdomain here, or had it when they were copied here. An id is itself. */
export async function findCompanies(statements: Statements, asked: string): Promise<readonly string[]> {
  const rows = await statements.execute<{ id: string }>(sql`
    select id from companies where subdomain = ${asked} or id::text = ${asked}
    union select company_id from region_copies
      where company_id::text = ${asked} or (kind = 'company' and body is json object and body::json->>'subdomain' = ${asked})
    union select company_id from company_regions where company_id::text = ${asked}`);
  return [...rows].map(({ id }) => id);
}

export async function selectRowsHere(
  statements: Statements,
  ids: readonly string[],
): Promise<readonly RowsOfCompany[]> {
  const of = inArray;
  const all = [...ids];
  const rows = await statements
    .select({
      id: companies.id,
      subdomain: companies.subdomain,
      status: companies.status,
      homeRegion: companies.homeRegion,
      homeEpoch: companies.homeEpoch,
    })
    .from(companies)
    .where(of(companies.id, all));
  const permissions = await statements.select().from(companyRegions).where(of(companyRegions.companyId, all));
  const fences = await statements.select().from(companyHomes).where(of(companyHomes.companyId, all));
  const refusals = await statements.select().from(regionRefusals).where(of(regionRefusals.companyId, all));
  const keys = await statements
    .select({ companyId: companyKeys.companyId, keyVersion: companyKeys.keyVersion })
    .from(companyKeys)
    .where(and(of(companyKeys.companyId, all), ne(companyKeys.status, "destroyed")));
  const secrets = await statements
    .select({
      companyId: companySecrets.companyId,
      secretKey: companySecrets.secretKey,
      secretValueEncrypted: companySecrets.secretValueEncrypted,
      mac: companySecrets.mac,
    })
    .from(companySecrets)
    .where(
      and(
        of(companySecrets.companyId, all),
        isNull(companySecrets.deletedAt),
        ne(companySecrets.secretValueEncrypted, "destroyed"),
      ),
    );
  const copies = await statements
    .select()
    .from(regionCopies)
    .where(of(regionCopies.companyId, all))
    .orderBy(asc(regionCopies.kind), asc(regionCopies.name));
  const ofCompany = <R extends { readonly companyId: string }>(list: readonly R[], id: string) =>
    list.filter(({ companyId }) => companyId === id);
  return ids.map((id) => ({
    id,
    row: rows.find((row) => row.id === id),
    permissions: ofCompany(permissions, id),
    copies: ofCompany(copies, id),
    fence: ofCompany(fences, id)[0],
    refusals: ofCompany(refusals, id),
    secrets: ofCompany(secrets, id),
    keys: ofCompany(keys, id).map(({ keyVersion }) => keyVersion),
  }));
}
