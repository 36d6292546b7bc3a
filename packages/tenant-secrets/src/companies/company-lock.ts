import { sql } from "drizzle-orm";
import type { Statements } from "@repo/db";
import { TenantSecretsError, wrongRegion } from "@repo/catalog";

// Transactions that change a company's secrets share its lock; those that replace or destroy its keys hold it exclusively. It
// is taken first, so that they cannot deadlock. An advisory lock, because a row lock would starve the exclusive holder: new
// sharers of a row lock pass a waiting one.

/** A write comes too late: the company's store has changed since it was started. Nothing was written. */
export class StoreChanged extends TenantSecretsError {
  constructor() {
    super("CONFLICT", "This company is being moved: try again in a moment.", {
      retryAfterMs: 1000,
    });
  }
}

/** A write comes too early: the company's store is being changed. Nothing was written. */
export class StoreHeld extends TenantSecretsError {
  constructor() {
    super("STORE_UNAVAILABLE", "This company is being moved: try again in a moment.", {
      store: "unchanged",
      retryAfterMs: 1000,
    });
  }
}

/**
 * Takes the lock for a transaction that changes secrets, under the store of the resolved company.
 *
 * @param holder the run that changes the store, of whose own write this is
 * @throws {StoreChanged} if the company has another store meanwhile
 * @throws {StoreHeld} while another run changes the store
 * @throws {TenantSecretsError} WRONG_REGION once copies have said that another region is the home now
 */
export async function enterCompany(
  statements: Statements,
  { id, storeEpoch }: { readonly id: string; readonly storeEpoch: number },
  holder?: string,
): Promise<void> {
  const [entered] = await statements.execute<{ state: string }>(
    sql`select enter_company(${id}, ${storeEpoch}, ${holder ?? null}) as state`,
  );
  if (entered?.state === "ok") return;
  const home = /^elsewhere (.+)$/.exec(entered?.state ?? "")?.[1];
  if (home !== undefined) throw wrongRegion(home, undefined);
  throw entered?.state === "held" ? new StoreHeld() : new StoreChanged();
}

/** Takes the lock for a transaction that re-encrypts values, in whichever store they are active. */
export async function shareCompany(statements: Statements, companyId: string): Promise<void> {
  await statements.execute(sql`select pg_advisory_xact_lock_shared(${nameOf(companyId)})`);
}

/** Takes the exclusive lock, for a transaction that replaces or destroys keys. */
export async function lockCompany(statements: Statements, companyId: string): Promise<void> {
  await statements.execute(sql`select pg_advisory_xact_lock(${nameOf(companyId)})`);
}

function nameOf(companyId: string) {
  return sql`hashtextextended(${`company ${companyId}`}, 0)`;
}
