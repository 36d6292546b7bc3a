import { and, asc, eq, gt, inArray, isNull, or, sql, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import type { MadeApiKey, MadeKeys } from "@repo/catalog";
import { audited, type Audited, type RowTransaction } from "../access/operation.ts";
import { revocationOf, revokeApiKeys, selectPlatformSubdomains } from "./api-key-rows.ts";

const { apiKeys, companies, operators } = tables;

interface Maker {
  readonly kind: "user" | "operator";
  readonly id: string;
  /** Left out: all companies and the platform, and for a person also as operator. */
  readonly companyId?: string | undefined;
}

/** The maximum number of keys returned: more than a person creates by hand. */
const mostListed = 1000;

/**
 * Lists keys in a transaction that has revoked their maker's access; `requireActiveCaller` keeps the maker from creating more
 * meanwhile.
 */
export async function keysOfMaker(
  transaction: RowTransaction,
  { kind, id, companyId, revoke }: Maker & { readonly revoke: boolean | undefined },
): Promise<Audited<MadeKeys>> {
  const isMaker = and(eq(apiKeys.createdByKind, kind), eq(apiKeys.createdById, id));
  const active = and(
    kind === "user" && companyId === undefined ? or(isMaker, madeAsOperator(id)) : isMaker,
    companyId === undefined ? undefined : eq(apiKeys.companyId, companyId),
    isNull(apiKeys.revokedAt),
    gt(apiKeys.expiresAt, sql`now()`),
  );
  const listed = await select(transaction.statements, active);
  if (revoke !== true) return audited({ apiKeys: listed, revoked: false }, []);
  const revoked = await revokeApiKeys(transaction, active, Number.MAX_SAFE_INTEGER);
  return audited({ apiKeys: listed, revoked: true }, revoked.map(revocationOf));
}

/** By a person who acted as operator. */
function madeAsOperator(userId: string): SQL | undefined {
  const own = sql`(select ${operators.id}::text from ${operators} where ${operators.userId} = ${userId}::uuid)`;
  return and(eq(apiKeys.createdByKind, "operator"), sql`${apiKeys.createdById} in ${own}`);
}

async function select(statements: Statements, which: SQL | undefined): Promise<MadeApiKey[]> {
  const rows = await statements
    .select()
    .from(apiKeys)
    .where(which)
    .orderBy(asc(apiKeys.createdAt), asc(apiKeys.id))
    .limit(mostListed);
  const ofPlatform = await selectPlatformSubdomains(statements, rows);
  const ids = rows.flatMap(({ companyId }) => companyId ?? []);
  const own =
    ids.length === 0
      ? []
      : await statements
          .select({ id: companies.id, subdomain: companies.subdomain })
          .from(companies)
          .where(and(inArray(companies.id, ids), isNull(companies.deletedAt)));
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    platform: row.companyId === null,
    companies:
      row.companyId === null
        ? (ofPlatform.get(row.id) ?? [])
        : own.filter(({ id }) => id === row.companyId).map(({ subdomain }) => subdomain),
    expiresAt: row.expiresAt,
  }));
}
