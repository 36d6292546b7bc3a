import { and, eq, isNull } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { type Caller, type CompanyDescription, notFound, Subdomain, TenantSecretsError } from "@repo/catalog";
import { audited, type Operations } from "../access/operation.ts";
import { changeCompany, describeCompany, lockNamed } from "./change-company.ts";
import { lockCompany } from "./company-lock.ts";

/**
 * Suspends companies: from the commit on, no process reads or writes their secrets, and their API keys open nothing. Writes in
 * progress end first. Nothing is deleted, also not what is due while a company is suspended.
 */
export interface Suspension {
  /** Idempotent. @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; INTEGRITY_FAILURE if the company's row is not genuine */
  suspend(caller: Caller, company: string): Promise<CompanyDescription>;
  /** Idempotent. @throws as `suspend`, and CONFLICT for a company whose deletion is scheduled */
  resume(caller: Caller, company: string): Promise<CompanyDescription>;
}

const toManage = { verb: "companies", to: "manage companies" } as const;

export function createSuspension(operations: Operations, ownRegion: string): Suspension {
  const setStatus = (
    caller: Caller,
    subdomain: string,
    {
      action,
      status,
    }: Readonly<{ action: "company.suspend" | "company.resume"; status: "suspended" | "active" }>,
  ): Promise<CompanyDescription> =>
    operations.change({ caller, action, ...toManage }, async (transaction) => {
      const { statements } = transaction;
      // Every write shares the company's lock until it commits. It comes before the row's, as in every other transaction.
      const id = await findNamed(statements, subdomain);
      await lockCompany(statements, id);
      const named = await lockNamed(transaction, subdomain, ownRegion);
      if (named.id !== id) throw notFound();
      if (status === "active") await requireKept(statements, id);
      const row = named.status === status ? named : await changeCompany(transaction, named, { status });
      return audited(describeCompany(row), { companyId: row.id, version: row.revision });
    });
  return {
    suspend: (caller, company) =>
      setStatus(caller, company, { action: "company.suspend", status: "suspended" }),
    resume: (caller, company) => setStatus(caller, company, { action: "company.resume", status: "active" }),
  };
}

/** A company that opened again would lose its values at the date all the same. */
async function requireKept(statements: Statements, companyId: string): Promise<void> {
  const { runs } = tables;
  const [deletion] = await statements
    .select({ id: runs.id })
    .from(runs)
    .where(and(eq(runs.kind, "delete-company"), eq(runs.subject, companyId), isNull(runs.finishedAt)));
  if (deletion === undefined) return;
  throw new TenantSecretsError(
    "CONFLICT",
    "The deletion of this company is scheduled. Undo that first, which opens it again: companies keep.",
  );
}

async function findNamed(statements: Statements, subdomain: string): Promise<string> {
  const { companies } = tables;
  if (!Subdomain.safeParse(subdomain).success) throw notFound();
  const [row] = await statements
    .select({ id: companies.id })
    .from(companies)
    .where(and(eq(companies.subdomain, subdomain), isNull(companies.deletedAt)));
  if (row === undefined) throw notFound();
  return row.id;
}
