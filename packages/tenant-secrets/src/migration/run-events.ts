import { eq } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import type { AuditEntry, AuditLog } from "@repo/audit-log";
import { type Caller, TenantSecretsError } from "@repo/catalog";
import type { RunRow } from "../runs/lease.ts";

const { runs } = tables;

/** A run of a migration, and whose it is. */
export interface OwnRun {
  readonly run: Pick<RunRow, "id">;
  readonly caller: Caller;
}

/** Tells of the end of a migration, in the transaction that ends it. One that fails goes on when an operator resumes it. */
export function recordEnd(
  {
    audit,
    statements,
  }: { readonly audit: Pick<AuditLog, "recordInTransaction">; readonly statements: Statements },
  { run, caller }: OwnRun,
  { outcome, reason }: Pick<AuditEntry, "outcome" | "reason">,
): Promise<void> {
  const entry = { action: "migration.finish", outcome, reason, subject: run.id } as const;
  return audit.recordInTransaction(statements, caller, entry);
}

/** The next step of the run is refused; `runs.resume` continues with the next company. */
export async function pauseRun(statements: Statements, id: string, failures: number): Promise<void> {
  const { message } = new TenantSecretsError(
    "CONFLICT",
    `${failures} companies in a row could not be changed. See why, then resume or cancel the run.`,
  );
  await statements
    .update(runs)
    .set({
      state: "paused",
      leaseHolder: null,
      leaseUntil: null,
      errorCode: "CONFLICT",
      errorMessage: message,
    })
    .where(eq(runs.id, id));
}
