import { sql } from "drizzle-orm";
import type { Statements } from "@repo/db";

// Whoever changes secrets of a company holds its lock together with others who do; whoever replaces or destroys its keys
// holds it alone. It comes first in a transaction, so that neither waits for the other with something in hand. The lock of
// a row would not do: those who share one go before somebody who waits for it alone, so that he may wait for ever.

/** For a transaction that changes secrets. */
export async function shareCompany(statements: Statements, companyId: string): Promise<void> {
  await statements.execute(sql`select pg_advisory_xact_lock_shared(${nameOf(companyId)})`);
}

/** For a transaction that replaces or destroys keys, or everything. */
export async function lockCompany(statements: Statements, companyId: string): Promise<void> {
  await statements.execute(sql`select pg_advisory_xact_lock(${nameOf(companyId)})`);
}

function nameOf(companyId: string) {
  return sql`hashtextextended(${`company ${companyId}`}, 0)`;
}
