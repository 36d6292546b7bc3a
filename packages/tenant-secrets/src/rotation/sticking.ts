import { and, eq, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import type { AuditEntry, AuditLog } from "@repo/audit-log";
import type { FailedRun } from "../runs/definition.ts";
import { ofPolicy } from "./policy-row.ts";
import { RotationInput } from "./rotation-state.ts";

const { rotationPolicies } = tables;

/** The event of a policy that has become stuck, by its run or its last one: a person has to look. */
export function stuck(of: Pick<AuditEntry, "companyId" | "secretKey" | "subject" | "reason">): AuditEntry {
  return { ...of, action: "rotation.stick", outcome: "success" };
}

/** The policy of a run that was given up is stuck, unless it is paused. The run goes on when either is resumed. */
export async function stickAtStopped(
  {
    audit,
    statements,
  }: { readonly audit: Pick<AuditLog, "recordInTransaction">; readonly statements: Statements },
  { run, caller }: Omit<FailedRun, "error">,
): Promise<void> {
  const { companyId, secretKey } = RotationInput.parse(run.input);
  const reason = "STOPPED";
  const changed = await statements
    .update(rotationPolicies)
    .set({ state: "stuck", reason, lastRunId: run.id, updatedAt: sql`now()` })
    .where(and(ofPolicy({ companyId, secretKey }), eq(rotationPolicies.state, "active")))
    .returning({ secretKey: rotationPolicies.secretKey });
  const event = { companyId, secretKey, subject: run.id, reason } as const;
  await audit.recordInTransaction(statements, caller, [
    { ...event, action: "rotation.run", outcome: "failed" },
    ...changed.map(() => stuck(event)),
  ]);
}
