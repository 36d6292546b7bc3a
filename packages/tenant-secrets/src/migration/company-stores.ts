import { and, asc, eq, gt, isNull, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import {
  type Catalog,
  type CompanyStore,
  type CompanyStoresQuery,
  FindingCode,
  notFound,
  Subdomain,
} from "@repo/catalog";
import { z } from "zod";
import { secretsBehind } from "./mirror/lag.ts";

const { companies, companySecrets, companyStores, folderEntries, outsideWrites, shadowReads, storeHolds } =
  tables;

const shownFindings = 100;

const Findings = z.array(z.object({ code: FindingCode, secretKey: z.string() }));

/** Where the secrets of companies are, by subdomain. @throws {TenantSecretsError} NOT_FOUND for a company that is named and does not exist */
export async function selectStores(
  statements: Statements,
  { company, store, after, limit }: CompanyStoresQuery,
  catalog: Catalog,
): Promise<readonly CompanyStore[]> {
  // A text that is no subdomain names no company, and may be one that PostgreSQL rejects.
  if (company !== undefined && !Subdomain.safeParse(company).success) throw notFound();
  if (after !== undefined && !Subdomain.safeParse(after).success) return [];
  const isLive = sql`h.deleted_at is null and h.current_version is not null`;
  const isProven = sql`e.company_id = h.company_id and e.secret_key = h.secret_key and e.synced_version = h.current_version
    and e.outside_id is not null and e.finding is null`;
  const behind = secretsBehind(catalog);
  const rows = await statements
    .select({
      company: companies,
      state: companyStores,
      shadow: shadowReads,
      inDatabase: sql<number>`(select count(*)::int from ${companySecrets} h where h.company_id = "companies"."id" and ${isLive})`,
      synced: sql<number>`(select count(*)::int from ${companySecrets} h join ${folderEntries} e on ${isProven}
        where h.company_id = "companies"."id" and ${isLive})`,
      isHeld: sql<boolean>`exists (select from ${storeHolds} o where o.company_id = "companies"."id" and o.until > clock_timestamp())`,
      unsettledWrites: sql<number>`(select count(*)::int from ${outsideWrites} w where w.company_id = "companies"."id")`,
      behind: sql<number>`(select count(*)::int from ${behind} b where b.company_id = "companies"."id")`,
      behindSince:
        sql<Date | null>`(select min(b.since) from ${behind} b where b.company_id = "companies"."id")`.mapWith(
          companyStores.changedAt,
        ),
      findings: sql`(select coalesce(json_agg(json_build_object('code', f.finding, 'secretKey', f.secret_key)), '[]')
        from (select * from ${folderEntries} e where e.company_id = "companies"."id" and e.finding is not null
          order by e.secret_key limit ${shownFindings}) f)`,
    })
    .from(companies)
    .leftJoin(companyStores, eq(companyStores.companyId, companies.id))
    .leftJoin(
      shadowReads,
      and(eq(shadowReads.companyId, companies.id), eq(shadowReads.storeEpoch, companies.storeEpoch)),
    )
    .where(
      and(
        isNull(companies.deletedAt),
        company === undefined ? undefined : eq(companies.subdomain, company),
        store === undefined ? undefined : eq(companies.secretStore, store),
        after === undefined ? undefined : gt(companies.subdomain, after),
      ),
    )
    .orderBy(asc(companies.subdomain))
    .limit(limit);
  if (company !== undefined && rows.length === 0) throw notFound();
  return rows.map(({ company: { id, subdomain, secretStore, storeEpoch }, state, shadow, ...row }) => {
    const { behind: count, behindSince, findings, ...counted } = row;
    const isMirrored = state?.isMirrored ?? false;
    return {
      company: { id, subdomain },
      store: secretStore,
      storeEpoch,
      ...counted,
      changedAt: state?.changedAt ?? undefined,
      leftIn: state?.leftIn ?? undefined,
      cleanedAt: state?.cleanedAt ?? undefined,
      verifiedAt: state?.verifiedEpoch === storeEpoch ? (state.verifiedAt ?? undefined) : undefined,
      isMirrored,
      ...(isMirrored && {
        mirror: {
          behind: count,
          behindSince: behindSince ?? undefined,
          nextTryAt: state?.mirrorNotBefore ?? undefined,
          findings: Findings.parse(findings),
        },
      }),
      ...(shadow !== null && {
        shadowReads: {
          equal: shadow.equal,
          differs: shadow.differs,
          missing: shadow.missing,
          failed: shadow.failed,
        },
      }),
    };
  });
}
