import { and, eq, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import { TenantSecretsError } from "@repo/catalog";
import type { Company } from "../companies/companies.ts";
import { lockCompany, StoreChanged, StoreHeld } from "../companies/company-lock.ts";
import type { CompanyWork } from "./company-work.ts";
import { pause } from "../runs/pause.ts";

const { companies, outsideWrites, storeHolds } = tables;

/** How long writes of a company are held at most, in milliseconds. A holder that dies holds no longer. */
const longestHoldMs = 8000;
/** How long writes that are out at Infisical are waited for. After that, their callers begin again under the new store. */
const settleMs = 3000;
const pollMs = 100;

/**
 * Holds the writes of a company while its store is changed. All writes admitted before are committed when this resolves.
 *
 * @returns when the hold ends, by this process's monotonic clock; the database's clock decides
 * @throws {StoreChanged} if the company has another store meanwhile, or is suspended
 * @throws {StoreHeld} if another run holds it
 */
export async function holdWrites({ step, company }: CompanyWork): Promise<number> {
  const endsAt = performance.now() + longestHoldMs;
  await step.commit(async (statements) => {
    await lockCompany(statements, company.id);
    await requireEpoch(statements, company);
    const until = sql`clock_timestamp() + make_interval(secs => ${longestHoldMs / 1000})`;
    const [hold] = await statements
      .insert(storeHolds)
      .values({ companyId: company.id, run: step.run.id, until })
      .onConflictDoUpdate({
        target: storeHolds.companyId,
        set: { run: step.run.id, until },
        setWhere: sql`${storeHolds.until} < clock_timestamp() or ${storeHolds.run} = ${step.run.id}`,
      })
      .returning();
    if (hold === undefined) throw new StoreHeld();
  });
  return endsAt;
}

/** Ends the hold of this run; held writes go on. */
export async function releaseWrites({ step, company }: CompanyWork): Promise<void> {
  await step.commit((statements) =>
    statements
      .delete(storeHolds)
      .where(and(eq(storeHolds.companyId, company.id), eq(storeHolds.run, step.run.id))),
  );
}

/**
 * For the transaction that changes the store, with the company locked.
 *
 * @throws {TenantSecretsError} CONFLICT if the hold is over, so that writes may have been admitted since
 */
export async function requireHold(statements: Statements, { step, company }: CompanyWork): Promise<void> {
  const [hold] = await statements
    .select({ until: storeHolds.until })
    .from(storeHolds)
    .where(
      and(
        eq(storeHolds.companyId, company.id),
        eq(storeHolds.run, step.run.id),
        sql`${storeHolds.until} > clock_timestamp()`,
      ),
    );
  if (hold === undefined) throw tookTooLong();
}

/** @throws {StoreChanged} */
export async function requireEpoch(statements: Statements, { id, storeEpoch }: Company): Promise<void> {
  const [row] = await statements
    .select({ storeEpoch: companies.storeEpoch, status: companies.status })
    .from(companies)
    .where(eq(companies.id, id));
  if (row?.storeEpoch !== storeEpoch || row.status !== "active") throw new StoreChanged();
}

/**
 * Waits for the changes that are out at Infisical, and abandons those that take longer: their callers are told no success, and
 * begin again under the store that the company has then.
 */
export async function settleOutsideWrites({ step, company }: CompanyWork): Promise<void> {
  const inFlight = and(eq(outsideWrites.companyId, company.id), eq(outsideWrites.state, "in-flight"));
  // A call that is past its deadline is over: its process was killed before it could tell.
  const isOut = and(inFlight, sql`${outsideWrites.deadlineAt} > clock_timestamp()`);
  const giveUpAt = performance.now() + settleMs;
  for (;;) {
    const found = await step.commit((statements) =>
      statements.select({ id: outsideWrites.id }).from(outsideWrites).where(isOut).limit(1),
    );
    if (found.length === 0 || performance.now() >= giveUpAt) break;
    await pause(step, pollMs);
  }
  await step.commit((statements) =>
    statements.update(outsideWrites).set({ state: "abandoned" }).where(inFlight),
  );
}

/**
 * In the transaction in which a company leaves its folder: a change whose outcome is not known has no effect on the company
 * from there on, whatever becomes of it.
 */
export async function abandonUnknownWrites(statements: Statements, { company }: CompanyWork): Promise<void> {
  await statements
    .update(outsideWrites)
    .set({ state: "abandoned" })
    .where(and(eq(outsideWrites.companyId, company.id), eq(outsideWrites.state, "unknown")));
}

/**
 * Before a company reads from its folder again: what is still out there must not arrive after what is verified.
 *
 * @throws {TenantSecretsError} CONFLICT
 */
export async function refuseOpenWrites(statements: Statements, { company }: CompanyWork): Promise<void> {
  const [open] = await statements
    .select({ id: outsideWrites.id })
    .from(outsideWrites)
    .where(and(eq(outsideWrites.companyId, company.id), sql`${outsideWrites.deadlineAt} > clock_timestamp()`))
    .limit(1);
  if (open !== undefined)
    throw new TenantSecretsError(
      "CONFLICT",
      "A change of this company is still out at Infisical: its store is changed when that has ended.",
    );
}

export function tookTooLong(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    `Changing the store took longer than writes are held, ${longestHoldMs / 1000} s. Nothing was changed, and it is tried again.`,
  );
}
