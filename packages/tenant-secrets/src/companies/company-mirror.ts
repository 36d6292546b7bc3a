import { and, eq } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import type { AuditEntry } from "@repo/audit-log";

const { companyStores } = tables;

/** What a company without a mirror stores of one. */
export const withoutMirror = {
  isMirrored: false,
  mirroredSince: null,
  mirrorHolder: null,
  mirrorUntil: null,
  mirrorFailures: 0,
  mirrorNotBefore: null,
  mirrorComparedAt: null,
} as const;

/**
 * Ends the mirror of a company in its folder, in the transaction of what makes it pointless: its pass is refused from there on.
 *
 * @returns the event; none where the company has no mirror
 */
export async function endMirror(statements: Statements, companyId: string): Promise<readonly AuditEntry[]> {
  const ended = await statements
    .update(companyStores)
    .set(withoutMirror)
    .where(and(eq(companyStores.companyId, companyId), eq(companyStores.isMirrored, true)))
    .returning({ companyId: companyStores.companyId });
  return ended.map(() => ({ action: "company.mirror", outcome: "success", reason: "MIRROR_OFF", companyId }));
}
