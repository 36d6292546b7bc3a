import { and, asc, eq, isNull, sql, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import type { CompanyOverview } from "@repo/catalog";
import { describeCompany } from "./change-company.ts";

/** @param subdomain of one company that is not deleted; left out: all */
export async function selectOverviews(
  statements: Statements,
  subdomain?: string,
): Promise<readonly CompanyOverview[]> {
  const { companies, companyKeys, shreddings } = tables;
  const countOf = (table: SQL, condition: SQL) =>
    sql<number>`(select count(*)::int from ${table} o where o.company_id = "companies"."id" and ${condition})`;
  const rows = await statements
    .select({
      row: companies,
      keyVersion: companyKeys.keyVersion,
      keyCreatedAt: companyKeys.createdAt,
      shreddedAt: shreddings.shreddedAt,
      deleteAtMs: sql<number | null>`(select (r.input->>'deleteAtMs')::float8 from runs r
        where r.kind = 'delete-company' and r.subject = "companies"."id"::text and r.finished_at is null)`,
      secrets: countOf(sql`company_secrets`, sql`o.deleted_at is null`),
      members: countOf(sql`memberships`, sql`true`),
      apiKeys: countOf(sql`api_keys`, sql`o.revoked_at is null and o.expires_at > now()`),
    })
    .from(companies)
    .leftJoin(companyKeys, and(eq(companyKeys.companyId, companies.id), eq(companyKeys.status, "active")))
    .leftJoin(shreddings, eq(shreddings.companyId, companies.id))
    .where(
      subdomain === undefined
        ? undefined
        : and(eq(companies.subdomain, subdomain), isNull(companies.deletedAt)),
    )
    .orderBy(asc(companies.subdomain));
  return rows.map(({ row, keyVersion, keyCreatedAt, shreddedAt, deleteAtMs, ...counts }) => ({
    ...describeCompany(row),
    ...counts,
    shreddedAt: shreddedAt ?? undefined,
    deleteAt: deleteAtMs === null ? undefined : new Date(deleteAtMs),
    key:
      keyVersion === null || keyCreatedAt === null
        ? undefined
        : { version: keyVersion, createdAt: keyCreatedAt },
  }));
}
