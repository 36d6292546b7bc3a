import { and, desc, eq, sql, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";

const { runs } = tables;

export const newestFirst = [desc(runs.startedAt), desc(runs.id)] as const;

/** Older than a run that the caller may see; none is older than any other run. */
export function olderThan(
  statements: Statements,
  { before, allowed }: { readonly before: string; readonly allowed: SQL | undefined },
): SQL {
  const last = statements
    .select({ startedAt: runs.startedAt, id: runs.id })
    .from(runs)
    .where(and(allowed, eq(runs.id, before)));
  return sql`(${runs.startedAt}, ${runs.id}) < (${last})`;
}
