import { useQuery, useQueryClient } from "@tanstack/react-query";
import { UserPlus, Users } from "lucide-react";
import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import type { ApiAnswers, Role } from "@repo/tenant-secrets/client";
import { useTRPC } from "../api.ts";
import { useInvitationChanges } from "../frame/invitation-changes.ts";
import { InvitationMail } from "../frame/invitation-mail.tsx";
import { InvitationMenu } from "../frame/invitation-menu.tsx";
import { Badge } from "../ui/badge.tsx";
import { Button } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Column } from "../ui/data-table-columns.ts";
import { Dialog } from "../ui/dialog.tsx";
import { EmptyState } from "../ui/empty-state.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { InviteForm } from "./invite-form.tsx";
import { Section } from "./section.tsx";

type Member = ApiAnswers["companies"]["members"]["list"][number];
type Invitation = ApiAnswers["invitations"]["list"][number];

interface Row {
  readonly id: string;
  readonly email: string;
  readonly role: Role;
  /** Of a person who has accepted. */
  readonly member?: Member;
  readonly invitation?: Invitation;
}

const columns: readonly Column<Row>[] = [
  {
    id: "person",
    header: "Person",
    cell: ({ member, email }) => (
      <span className="grid">
        <span className={member === undefined ? "break-all text-muted" : "font-medium"}>
          {member?.name ?? email} {member === undefined && <Badge tone="accent">Invited</Badge>}
        </span>
        {member !== undefined && <span className="text-small break-all text-muted">{email}</span>}
      </span>
    ),
    onPhone: "heading",
  },
  { id: "role", header: "Role", cell: ({ role }) => roleWords[role] },
  {
    id: "factor",
    header: "Second factor",
    cell: ({ member }) => factorOf(member),
  },
  {
    id: "signed-in",
    header: "Last sign-in",
    cell: ({ member, invitation }) => {
      if (invitation !== undefined) return <InvitationMail invitation={invitation} />;
      return member?.lastSignInAt === undefined ? (
        <span className="text-muted">Never</span>
      ) : (
        <Time at={member.lastSignInAt} />
      );
    },
  },
];

type OnAct = (act: "resend" | "revoke", invitation: Invitation) => void;

function columnsWith(onAct: OnAct): readonly Column<Row>[] {
  return [
    ...columns,
    {
      id: "menu",
      header: "Actions",
      align: "end",
      cell: ({ invitation }) =>
        invitation !== undefined && (
          <InvitationMenu email={invitation.email} onAct={(act) => onAct(act, invitation)} />
        ),
      onPhone: "corner",
    },
  ];
}

function factorOf(member: Member | undefined): ReactNode {
  if (member === undefined) return <span className="text-muted">–</span>;
  if (member.disabled) return <Badge tone="danger">Disabled</Badge>;
  if (member.secondFactor === undefined) return <span className="text-muted">Not known</span>;
  return member.secondFactor ? "Yes" : <span className="text-muted">None</span>;
}

const roleWords: Readonly<Record<Role, string>> = {
  owner: "Owner",
  admin: "Admin",
  member: "Member",
  auditor: "Auditor",
};

/** Who belongs to the company, and who is invited. */
export function CompanyPeople({ company }: { readonly company: string }): ReactNode {
  const trpc = useTRPC();
  const members = useQuery(trpc.companies.members.list.queryOptions({ company }));
  const invitations = useQuery(trpc.invitations.list.queryOptions({ company }));
  useMailsOnTheirWay(company, invitations.data);
  const { resend, revoke, error } = useInvitationChanges(company);
  const all = useMemo(
    () => columnsWith((act, invitation) => (act === "resend" ? resend : revoke)(invitation)),
    [resend, revoke],
  );
  const [isInviting, setInviting] = useState(false);
  const rows: readonly Row[] = [
    ...(members.data ?? []).map((member) => ({ ...member, id: member.userId, member })),
    ...(invitations.data ?? []).map((invitation) => ({ ...invitation, invitation })),
  ];
  const hasOwner = rows.some(({ role }) => role === "owner");
  const invite = (
    <Button icon={UserPlus} kind={hasOwner ? "secondary" : "primary"} onClick={() => setInviting(true)}>
      {hasOwner ? "Invite" : "Invite the owner"}
    </Button>
  );
  return (
    <Section title="People" action={rows.length > 0 && invite}>
      {error !== null && <ErrorNotice error={error} />}
      <Loaded query={invitations}>
        {() => (
          <Loaded query={members}>
            {() =>
              rows.length === 0 ? (
                <EmptyState icon={Users} title="No people yet" action={invite}>
                  The owner gets a mail with a link, and invites the others.
                </EmptyState>
              ) : (
                <DataTable label="People" rows={rows} columns={all} rowKey={({ id }) => id} />
              )
            }
          </Loaded>
        )}
      </Loaded>
      <Dialog
        open={isInviting}
        onClose={() => setInviting(false)}
        title={`Invite to ${company}`}
        description="They get a mail with a link that works for seven days."
      >
        <InviteForm company={company} role={hasOwner ? "admin" : "owner"} onDone={() => setInviting(false)} />
      </Dialog>
    </Section>
  );
}

const everyMs = 3000;

/**
 * Asks for the invitations again once the mail of one was accepted or refused. The stamp, which tells it, costs no line of the
 * audit log, and the list does.
 */
function useMailsOnTheirWay(company: string, invitations: readonly Invitation[] | undefined): void {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const isWaiting = invitations?.some(({ mail }) => mail.state === "waiting") ?? false;
  const { data } = useQuery(
    trpc.companies.stamp.queryOptions(
      { company },
      { refetchOnMount: "always", refetchInterval: isWaiting ? everyMs : false, retry: false },
    ),
  );
  const members = data?.members;
  const seen = useRef(members);
  useEffect(() => {
    const hasMoved = seen.current !== undefined && seen.current !== members;
    seen.current = members;
    if (hasMoved) void queryClient.invalidateQueries(trpc.invitations.list.queryFilter({ company }));
  }, [company, members, queryClient, trpc]);
}
