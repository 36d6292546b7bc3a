import { and, asc, count, eq, isNull, lte, or, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";

const { migrationCompanies } = tables;

/** A company whose turn it is in a migration. */
export interface DueCompany {
  readonly state: "due";
  readonly id: string;
  /** Failed ones. */
  readonly attempts: number;
}

export type NextCompany =
  | DueCompany
  | { readonly state: "later"; readonly at: Date }
  | { readonly state: "none" };

export async function nextCompany(statements: Statements, runId: string): Promise<NextCompany> {
  const waiting = and(eq(migrationCompanies.runId, runId), eq(migrationCompanies.state, "waiting"));
  const due = or(isNull(migrationCompanies.notBefore), lte(migrationCompanies.notBefore, sql`now()`));
  const [next] = await statements
    .select({ id: migrationCompanies.companyId, attempts: migrationCompanies.attempts })
    .from(migrationCompanies)
    .where(and(waiting, due))
    .orderBy(asc(migrationCompanies.companyId))
    .limit(1);
  if (next !== undefined) return { state: "due", ...next };
  const [later] = await statements
    .select({ at: migrationCompanies.notBefore })
    .from(migrationCompanies)
    .where(waiting)
    .orderBy(asc(migrationCompanies.notBefore))
    .limit(1);
  return later?.at == null ? { state: "none" } : { state: "later", at: later.at };
}

export async function countFinished(statements: Statements, runId: string): Promise<number> {
  const [row] = await statements
    .select({ finished: count(migrationCompanies.finishedAt) })
    .from(migrationCompanies)
    .where(eq(migrationCompanies.runId, runId));
  return row?.finished ?? 0;
}

export async function countAll(statements: Statements, runId: string): Promise<number> {
  const [row] = await statements
    .select({ all: count() })
    .from(migrationCompanies)
    .where(eq(migrationCompanies.runId, runId));
  return row?.all ?? 0;
}
