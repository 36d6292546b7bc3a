import { and, eq, isNull, ne, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import { invitationState } from "@repo/audit-log";
import { notFound } from "@repo/catalog";
import type { EventDetails, Transaction } from "../../access/operation.ts";
import { changeCompany } from "../../companies/change-company.ts";
import { lockCompany } from "../../companies/company-lock.ts";
import { isOpen } from "../../companies/invitation-rows.ts";

const { companies, companySubdomains, folderEntries, invitations, memberships, outsideWrites } = tables;
const { rotationCredentials, rotationPolicies, runs, secretUses } = tables;

/** What a company had beside its keys and values, when it was deleted. */
export interface RemovedCompany {
  readonly revision: number;
  readonly removed: {
    readonly members: number;
    readonly invitations: number;
    readonly rotationPolicies: number;
    readonly lastUses: number;
  };
  /** Credentials that rotations have made and that may be valid still, by their names at the provider. */
  readonly atProviders: { readonly secretKey: string; readonly name: string }[];
  readonly reserved: { readonly subdomains: string[]; readonly infisicalFolder: string };
  /** Of each row that decided who may read. */
  readonly events: readonly EventDetails[];
}

/**
 * Removes what is left of a company whose keys are destroyed, marks its row as deleted, and ends the runs about it.
 *
 * @param deletion the run that deletes it
 * @throws {TenantSecretsError} INTEGRITY_FAILURE if its row is not genuine
 */
export async function removeCompany(
  transaction: Transaction,
  companyId: string,
  deletion: string,
): Promise<RemovedCompany> {
  const { statements, writer } = transaction;
  // Before the company's lock, as the steps of these runs take it.
  await endRuns(statements, companyId, deletion);
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
  const credentials = await statements
    .delete(rotationCredentials)
    .where(eq(rotationCredentials.companyId, companyId))
    .returning({
      secretKey: rotationCredentials.secretKey,
      name: rotationCredentials.marker,
      state: rotationCredentials.state,
    });
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
    atProviders: credentials
      .filter(({ state }) => state !== "retired")
      .map(({ secretKey, name }) => ({ secretKey, name }))
      .toSorted((one, other) => one.name.localeCompare(other.name)),
    reserved: {
      subdomains: subdomains.map(({ subdomain }) => subdomain),
      infisicalFolder: found.infisicalFolder,
    },
    events,
  };
}

/** Without their clean-up, which would need the keys. */
async function endRuns(statements: Statements, companyId: string, deletion: string): Promise<void> {
  await statements
    .update(runs)
    .set({
      state: "cancelled",
      finishedAt: sql`now()`,
      updatedAt: sql`now()`,
      leaseHolder: null,
      leaseUntil: null,
      notBefore: null,
      errorCode: "KEY_DESTROYED",
      errorMessage: "The company was deleted.",
    })
    .where(and(eq(runs.companyId, companyId), isNull(runs.finishedAt), ne(runs.id, deletion)));
}
