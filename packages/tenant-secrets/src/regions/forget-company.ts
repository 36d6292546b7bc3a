import { eq, inArray, sql } from "drizzle-orm";
import { z } from "zod";
import { apiKeyState, selectKeyCompanies } from "@repo/audit-log";
import { TenantSecretsError } from "@repo/catalog";
import { type Statements, tables } from "@repo/db";
import type { EventDetails, RowTransaction } from "../access/operation.ts";
import { revocationOf } from "../companies/api-key-rows.ts";

const { apiKeyCompanies, apiKeys, companies } = tables;

/** What was a region's own of a company. */
interface Deleted {
  readonly apiKeys: number;
  readonly members: number;
  readonly invitations: number;
}

/** Whatever has the company's id, in an order that foreign keys allow; its events stay. */
const tablesOfCompany = [
  "webhook_attempts",
  "webhook_deliveries",
  "notifications",
  "webhook_endpoints",
  "invitations",
  "memberships",
  "member_names",
  "secret_uses",
  "write_requests",
  "audit_summaries",
  "migration_companies",
  "region_refusals",
  "company_subdomains",
] as const;

/**
 * Deletes the row of a company that is at home elsewhere, and what hangs on it here. Platform keys lose the company, and are
 * revoked where they have no other.
 *
 * @throws {TenantSecretsError} CONFLICT for a company that was at home here: its history is here
 */
export async function forgetCompany(
  transaction: RowTransaction,
  companyId: string,
): Promise<{
  readonly deleted: Deleted;
  readonly goneAt: Date;
  /** Of the revocations. */
  readonly events: readonly EventDetails[];
}> {
  const { statements } = transaction;
  const [here] = await statements.execute(
    sql`select from company_keys where company_id = ${companyId} limit 1`,
  );
  if (here !== undefined) throw hasHistory();
  const { keys, events } = await forgetKeys(transaction, companyId);
  const counts = new Map<string, number>();
  for (const table of tablesOfCompany) {
    const gone = await statements.execute(
      sql`delete from ${sql.identifier(table)} where company_id = ${companyId} returning 1`,
    );
    counts.set(table, gone.length);
  }
  await statements.delete(companies).where(eq(companies.id, companyId));
  return {
    deleted: {
      apiKeys: keys,
      members: counts.get("memberships") ?? 0,
      invitations: counts.get("invitations") ?? 0,
    },
    goneAt: await now(statements),
    events,
  };
}

/** @returns how many keys of the company there were, and the events of platform keys that are revoked */
async function forgetKeys(
  { statements, writer }: RowTransaction,
  companyId: string,
): Promise<{ readonly keys: number; readonly events: readonly EventDetails[] }> {
  const events: EventDetails[] = [];
  const links = await statements
    .delete(apiKeyCompanies)
    .where(eq(apiKeyCompanies.companyId, companyId))
    .returning({ apiKeyId: apiKeyCompanies.apiKeyId });
  const rows = await statements
    .select()
    .from(apiKeys)
    .where(
      inArray(
        apiKeys.id,
        links.map(({ apiKeyId }) => apiKeyId),
      ),
    )
    .for("update");
  for (const row of rows) {
    const left = await selectKeyCompanies(statements, row.id);
    const isGenuine = writer.isGenuine(apiKeyState(row, [...left, companyId]), row);
    const revokedAt = row.revokedAt ?? (left.length === 0 ? await now(statements) : null);
    const beside = await writer.close(apiKeyState({ ...row, revokedAt }, left), isGenuine);
    await statements
      .update(apiKeys)
      .set({ revokedAt, ...beside })
      .where(eq(apiKeys.id, row.id));
    if (left.length === 0) events.push(revocationOf({ ...row, ...beside }));
  }
  const own = await statements
    .delete(apiKeys)
    .where(eq(apiKeys.companyId, companyId))
    .returning({ id: apiKeys.id });
  return { keys: own.length, events };
}

const Clock = z.tuple([z.object({ ms: z.number() })]);

async function now(statements: Statements): Promise<Date> {
  const rows = await statements.execute(sql`select floor(extract(epoch from now()) * 1000)::float8 as ms`);
  const [{ ms }] = Clock.parse([...rows]);
  return new Date(ms);
}

function hasHistory(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "The company was at home here, and its history is here still: shred it once it is not to come back.",
  );
}
