import type { AuditEntry } from "@repo/audit-log";

/** The event of a policy that has become stuck, by its run or its last one: a person has to look. */
export function stuck(of: Pick<AuditEntry, "companyId" | "secretKey" | "subject" | "reason">): AuditEntry {
  return { ...of, action: "rotation.stick", outcome: "success" };
}
