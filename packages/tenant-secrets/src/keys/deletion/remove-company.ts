import { and, eq, sql } from "drizzle-orm";
import { tables } from "@repo/db";
import { invitationState } from "@repo/audit-log";
import { notFound } from "@repo/catalog";
import type { EventDetails, Transaction } from "../../access/operation.ts";
import { changeCompany } from "../../companies/companies.ts";
import { lockCompany } from "../../companies/company-lock.ts";
import { isOpen } from "../../companies/invitation-rows.ts";

const { companies, companySubdomains, folderEntries, invitations, memberships, outsideWrites } = tables;
const { rotationPolicies, secretUses } = tables;

/** What a company had beside its keys and values, when it was deleted. */
export interface RemovedCompany {
  readonly revision: number;
  readonly removed: {
    readonly members: number;
    readonly invitations: number;
    readonly rotationPolicies: number;
    readonly lastUses: number;
  };
  readonly reserved: { readonly subdomains: string[]; readonly infisicalFolder: string };
  /** Of each row that decided who may read. */
  readonly events: readonly EventDetails[];
}

/**
 * Removes what is left of a company whose keys are destroyed, and marks its row as deleted.
 *
 * @throws {TenantSecretsError} INTEGRITY_FAILURE if its row is not genuine
 */
export async function removeCompany(transaction: Transaction, companyId: string): Promise<RemovedCompany> {
  const { statements, writer } = transaction;
  await lockCompany(statements, companyId);
  const [found] = await statements.select().from(companies).where(eq(companies.id, companyId)).for("update");
  if (found === undefined) throw notFound();
  const events: EventDetails[] = [];

  const members = await statements
    .delete(memberships)
    .where(eq(memberships.companyId, companyId))
    .returning({ userId: memberships.userId, role: memberships.role });
  for (const { userId, role } of members) {
    // A later revision than the row's, so that restoring the old row is detected.
    const { revision } = await writer.seal({ kind: "membership", companyId, userId, role });
    events.push({ action: "member.remove", companyId, subject: userId, reason: role, version: revision });
  }
  const open = await statements
    .select()
    .from(invitations)
    .where(and(eq(invitations.companyId, companyId), isOpen))
    .for("no key update");
  for (const row of open) {
    const state = invitationState(row);
    const beside = await writer.close({ ...state, closed: true }, writer.isGenuine(state, row));
    await statements
      .update(invitations)
      .set({ revokedAt: sql`now()`, ...beside })
      .where(eq(invitations.id, row.id));
    events.push({ action: "invitation.revoke", companyId, subject: row.id, version: beside.revision });
  }
  const policies = await statements
    .delete(rotationPolicies)
    .where(eq(rotationPolicies.companyId, companyId))
    .returning({ secretKey: rotationPolicies.secretKey });
  const uses = await statements
    .delete(secretUses)
    .where(eq(secretUses.companyId, companyId))
    .returning({ secretKey: secretUses.secretKey });
  await statements.delete(folderEntries).where(eq(folderEntries.companyId, companyId));
  await statements.delete(outsideWrites).where(eq(outsideWrites.companyId, companyId));
  const subdomains = await statements
    .select({ subdomain: companySubdomains.subdomain })
    .from(companySubdomains)
    .where(eq(companySubdomains.companyId, companyId))
    .orderBy(companySubdomains.subdomain);
  const row = await changeCompany(transaction, found, { status: "deleted" });
  return {
    revision: row.revision,
    removed: {
      members: members.length,
      invitations: open.length,
      rotationPolicies: policies.length,
      lastUses: uses.length,
    },
    reserved: {
      subdomains: subdomains.map(({ subdomain }) => subdomain),
      infisicalFolder: found.infisicalFolder,
    },
    events,
  };
}
