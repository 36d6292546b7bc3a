import { createHash, randomBytes } from "node:crypto";
import { and, eq, isNull, sql } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import { invitationState, userState } from "@repo/audit-log";
import { TenantSecretsError } from "@repo/catalog";
import type { RowTransaction } from "../access/operation.ts";
import type { NoteMail } from "./mailing.ts";

const { companies, invitations, memberships, users } = tables;

export type InvitationRow = typeof invitations.$inferSelect;

/** 256 random bits, and their SHA-256 for the row. */
export function makeToken(): { readonly token: string; readonly tokenHash: string } {
  const token = randomBytes(32).toString("base64url");
  return { token, tokenHash: hashOfToken(token) };
}

function hashOfToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** Neither accepted nor revoked; it may have expired. */
export const isOpen = and(isNull(invitations.acceptedAt), isNull(invitations.revokedAt));

/** Notes what became of the last mail of an invitation. An earlier mail changes nothing: its link is unknown by now. */
export function noteMailIn(database: Pick<Database, "acrossCompanies">): NoteMail {
  return (id, failure) =>
    database.acrossCompanies(async (statements) => {
      await statements
        .update(invitations)
        .set({ mailedAt: sql`now()`, mailFailure: failure ?? null })
        .where(eq(invitations.mailId, id));
    });
}

/** Of an invitation that can be accepted now. */
export interface OpenInvitation {
  readonly invitation: InvitationRow;
  readonly subdomain: string;
  /** The person with the address of the invitation, if there is one. */
  readonly userId: string | undefined;
}

/**
 * Finds the invitation of a token, and locks it and its company.
 *
 * @throws {TenantSecretsError} NOT_FOUND for an unknown token and a deleted company; CONFLICT for an invitation that was used,
 *   revoked or has expired, whose inviter may no longer invite, or whose company is suspended; INTEGRITY_FAILURE
 */
export async function requireOpen(transaction: RowTransaction, token: string): Promise<OpenInvitation> {
  const { statements, writer } = transaction;
  const [found] = await statements
    .select({ invitation: invitations, isExpired: sql<boolean>`${invitations.expiresAt} <= now()` })
    .from(invitations)
    .where(eq(invitations.tokenHash, hashOfToken(token)))
    .for("no key update");
  if (found === undefined) throw unknown();
  const { invitation, isExpired } = found;
  writer.require(invitationState(invitation), invitation);
  if (invitation.acceptedAt !== null) throw closed("was used already");
  if (invitation.revokedAt !== null) throw closed("was revoked");
  if (isExpired) throw closed("has expired");
  const [company] = await statements
    .select()
    .from(companies)
    .where(eq(companies.id, invitation.companyId))
    .for("no key update");
  if (company === undefined || company.status === "deleted") throw unknown();
  writer.require({ kind: "company", ...company }, company);
  if (company.status !== "active") throw closed("is of a company that is suspended");
  await requireInviter(transaction, invitation);
  const [user] = await statements.select().from(users).where(eq(users.email, invitation.email)).for("share");
  if (user !== undefined) writer.require(userState(user), user);
  if (user?.disabledAt) throw closed("is for a person whose account is disabled");
  return { invitation, subdomain: company.subdomain, userId: user?.id };
}

/** A person who was removed or lost a role cannot come back through an invitation that they sent before. */
async function requireInviter(
  { statements, writer }: RowTransaction,
  invitation: InvitationRow,
): Promise<void> {
  if (invitation.invitedByKind !== "user") return;
  const [inviter] = await statements
    .select({ user: users, membership: memberships })
    .from(memberships)
    .innerJoin(users, eq(users.id, memberships.userId))
    .where(
      and(
        eq(memberships.companyId, invitation.companyId),
        sql`${memberships.userId}::text = ${invitation.invitedById}`,
      ),
    );
  const roles = invitation.role === "owner" ? ["owner"] : ["owner", "admin"];
  if (inviter === undefined || inviter.user.disabledAt !== null || !roles.includes(inviter.membership.role)) {
    throw closed("is by a person who may no longer send it");
  }
  writer.require(userState(inviter.user), inviter.user);
  writer.require({ kind: "membership", ...inviter.membership }, inviter.membership);
}

/** @throws {TenantSecretsError} CONFLICT */
export async function requireNoMember(
  statements: Statements,
  { companyId, email }: Pick<InvitationRow, "companyId" | "email">,
): Promise<void> {
  const members = await statements
    .select({ userId: users.id })
    .from(memberships)
    .innerJoin(users, eq(users.id, memberships.userId))
    .where(and(eq(memberships.companyId, companyId), eq(users.email, email)));
  if (members.length > 0) {
    throw new TenantSecretsError("CONFLICT", "This person belongs to the company already.");
  }
}

function unknown(): TenantSecretsError {
  return new TenantSecretsError("NOT_FOUND", "There is no such invitation: check the link in the mail.");
}

function closed(why: string): TenantSecretsError {
  return new TenantSecretsError("CONFLICT", `This invitation ${why}: ask the company for another one.`);
}
