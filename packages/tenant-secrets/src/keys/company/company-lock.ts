import { sql } from "drizzle-orm";
import type { Statements } from "@repo/db";
import { TenantSecretsError } from "@repo/catalog";

// Whoever changes secrets of a company holds its lock together with others who do; whoever replaces or destroys its keys
// holds it alone. It comes first in a transaction, so that neither waits for the other with something in hand. The lock of
// a row would not do: those who share one go before somebody who waits for it alone, so that he may wait for ever.

/** A write is too late: the company's secrets live somewhere else since it was begun. Nothing of it was done. */
export class StoreChanged extends TenantSecretsError {
  constructor() {
    super("CONFLICT", "This company is being moved from one store to another: try again in a moment.", {
      retryAfterMs: 1000,
    });
  }
}

/** A write is too early: the company's store is being changed just now. Nothing of it was done. */
export class StoreHeld extends TenantSecretsError {
  constructor() {
    super(
      "STORE_UNAVAILABLE",
      "This company is being moved from one store to another: try again in a moment.",
      { store: "unchanged", retryAfterMs: 1000 },
    );
  }
}

/**
 * For a transaction that changes secrets, under the store that a company had when it was entered.
 *
 * @throws {StoreChanged} where it has another one since
 * @throws {StoreHeld} while that is being changed
 */
export async function enterCompany(
  statements: Statements,
  { id, storeEpoch }: { readonly id: string; readonly storeEpoch: number },
): Promise<void> {
  const [entered] = await statements.execute<{ state: string }>(
    sql`select enter_company(${id}, ${storeEpoch}) as state`,
  );
  if (entered?.state === "ok") return;
  throw entered?.state === "held" ? new StoreHeld() : new StoreChanged();
}

/** For a transaction that seals values anew as they are, whichever store it is that they count in. */
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
