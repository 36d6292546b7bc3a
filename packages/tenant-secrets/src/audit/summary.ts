import { and, type AnyColumn, asc, desc, eq, gte, lt, ne, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import {
  type AuditSummary,
  type AuditSummaryOptions,
  type CompanyId,
  TenantSecretsError,
} from "@repo/catalog";
import { selectNamesInCompany, selectNamesOnPlatform } from "../companies/actor-names.ts";

const { auditSummaries } = tables;

const lengthMs = { hour: 3_600_000, day: 86_400_000 } as const;
const maxBuckets = 1000;
/** Secrets and actors of an answer. */
const top = 10;

export type SummarySpan = Pick<AuditSummaryOptions, "from" | "to" | "by">;

/**
 * @returns the span, rounded outwards to whole hours or days in UTC
 * @throws {TenantSecretsError} INVALID_INPUT for one without any time, and for more than 1,000 hours or days
 */
export function roundSpan({ from, to, by }: SummarySpan): SummarySpan {
  const length = lengthMs[by];
  const begin = Math.floor(from.getTime() / length) * length;
  const end = Math.ceil(to.getTime() / length) * length;
  if (from >= to || (end - begin) / length > maxBuckets) {
    throw new TenantSecretsError(
      "INVALID_INPUT",
      `A summary is from one time to a later one, and at most ${maxBuckets} hours or days long.`,
    );
  }
  return { from: new Date(begin), to: new Date(end), by };
}

const counts = {
  reads: sum(auditSummaries.reads),
  reveals: sum(auditSummaries.reveals),
  changes: sum(auditSummaries.changes),
  denials: sum(auditSummaries.denials),
};
const total = sql`${counts.reads} + ${counts.reveals} + ${counts.changes} + ${counts.denials}`;

function sum(column: AnyColumn) {
  return sql<string>`sum(${column})`.mapWith(Number);
}

/**
 * @param company undefined: all companies together
 * @param asked a span of whole hours or days
 */
export async function selectSummary(
  statements: Statements,
  company: CompanyId | undefined,
  { from, to, by, secretKey }: SummarySpan & Pick<AuditSummaryOptions, "secretKey">,
): Promise<AuditSummary> {
  const asked = and(
    company && eq(auditSummaries.companyId, company),
    gte(auditSummaries.hour, from),
    lt(auditSummaries.hour, to),
    secretKey === undefined ? undefined : eq(auditSummaries.secretKey, secretKey),
  );
  const at = sql<Date>`date_trunc(${sql.raw(`'${by}'`)}, ${auditSummaries.hour}, 'UTC')`.mapWith(
    auditSummaries.hour,
  );
  const buckets = await statements
    .select({ at, ...counts })
    .from(auditSummaries)
    .where(asked)
    .groupBy(at)
    .orderBy(asc(at));
  const secrets = await statements
    .select({ secretKey: auditSummaries.secretKey, ...counts })
    .from(auditSummaries)
    .where(and(asked, ne(auditSummaries.secretKey, "")))
    .groupBy(auditSummaries.secretKey)
    .orderBy(desc(total), asc(auditSummaries.secretKey))
    .limit(top);
  const { actorKind: kind, actorId: id } = auditSummaries;
  const actors = await statements
    // Who acted in several companies has a name in each; one of them is enough.
    .select({ kind, id, companyId: sql<string>`min(${auditSummaries.companyId}::text)`, ...counts })
    .from(auditSummaries)
    .where(asked)
    .groupBy(kind, id)
    .orderBy(desc(total), asc(kind), asc(id))
    .limit(top);
  const nameOf = await (company === undefined
    ? selectNamesOnPlatform(statements, actors)
    : selectNamesInCompany(statements, company, actors));
  return {
    from,
    to,
    buckets,
    secrets,
    actors: actors.map(({ companyId, ...actor }) => ({ ...actor, name: nameOf({ ...actor, companyId }) })),
  };
}
