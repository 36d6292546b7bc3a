import type { ApiAnswers, Role } from "@repo/tenant-secrets/client";
import { rolesGivenBy } from "./roles.ts";

type Member = ApiAnswers["companies"]["members"]["list"][number];
type Invitation = ApiAnswers["invitations"]["list"][number];

export interface MemberRow {
  readonly kind: "member";
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly role: Role;
  readonly member: Member;
  readonly isYou: boolean;
  /** The company's only owner: they neither leave nor take another role. */
  readonly isOnlyOwner: boolean;
  /** Whether the reader may change and remove them. */
  readonly isManaged: boolean;
}

export interface InvitationRow {
  readonly kind: "invitation";
  readonly id: string;
  readonly email: string;
  readonly role: Role;
  readonly invitation: Invitation;
  readonly isManaged: boolean;
}

export type PersonRow = MemberRow | InvitationRow;

/** @returns members by e-mail address, and after them those who were invited */
export function rowsOf(
  {
    members,
    invitations,
  }: { readonly members: readonly Member[]; readonly invitations: readonly Invitation[] },
  reader: { readonly id: string; readonly role: Role },
): readonly PersonRow[] {
  const managed = rolesGivenBy(reader.role);
  const owners = members.filter(({ role }) => role === "owner").length;
  return [
    ...members.map((member): MemberRow => ({
      kind: "member",
      id: member.userId,
      email: member.email,
      name: member.name,
      role: member.role,
      member,
      isYou: member.userId === reader.id,
      isOnlyOwner: member.role === "owner" && owners === 1,
      isManaged: managed.includes(member.role),
    })),
    ...invitations.map((invitation): InvitationRow => ({
      kind: "invitation",
      id: invitation.id,
      email: invitation.email,
      role: invitation.role,
      invitation,
      isManaged: managed.includes(invitation.role),
    })),
  ];
}
