import { useQuery, useQueryClient } from "@tanstack/react-query";
import { UserPlus, Users } from "lucide-react";
import { useState, type FormEvent, type ReactNode } from "react";
import type { ApiAnswers, Role } from "@repo/tenant-secrets/client";
import { useTRPC, useTRPCClient } from "../api.ts";
import { Badge } from "../ui/badge.tsx";
import { Button } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Column } from "../ui/data-table-columns.ts";
import { Dialog } from "../ui/dialog.tsx";
import { EmptyState } from "../ui/empty-state.tsx";
import { Select, TextField } from "../ui/field.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { useToast } from "../ui/toast.tsx";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
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
        <span className={member === undefined ? "text-muted" : "font-medium"}>{member?.name ?? email}</span>
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
    align: "end",
    cell: ({ member, invitation }) => {
      if (invitation !== undefined)
        return (
          <span className="text-muted">
            Invited, expires <Time at={invitation.expiresAt} as="until" />
          </span>
        );
      return member?.lastSignInAt === undefined ? (
        <span className="text-muted">Never</span>
      ) : (
        <Time at={member.lastSignInAt} />
      );
    },
  },
];

function factorOf(member: Member | undefined): ReactNode {
  if (member?.disabled === true) return <Badge tone="danger">Disabled</Badge>;
  if (member?.secondFactor === undefined) return <span className="text-muted">Not known</span>;
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
      <Loaded query={invitations}>
        {() => (
          <Loaded query={members}>
            {() =>
              rows.length === 0 ? (
                <EmptyState icon={Users} title="No people yet" action={invite}>
                  The owner gets a mail with a link, and invites the others.
                </EmptyState>
              ) : (
                <DataTable label="People" rows={rows} columns={columns} rowKey={({ id }) => id} />
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

const roles: readonly { readonly value: Role; readonly label: string }[] = [
  { value: "owner", label: "Owner – everything, and other owners" },
  { value: "admin", label: "Admin – secrets, people and API keys" },
  { value: "member", label: "Member – adds and replaces secrets" },
  { value: "auditor", label: "Auditor – sees what is there, and the audit log" },
];

function InviteForm({
  company,
  role: first,
  onDone,
}: {
  readonly company: string;
  readonly role: Role;
  readonly onDone: () => void;
}): ReactNode {
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queryClient = useQueryClient();
  const say = useToast();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState(first);
  const create = useConfirmedChange(
    (input: { email: string; role: Role }) => client.invitations.create.mutate({ company, ...input }),
    {
      why: "Inviting people needs a recent sign-in.",
      onDone: async ({ email: address }) => {
        await queryClient.invalidateQueries(trpc.invitations.list.queryFilter({ company }));
        say(`Invited ${address}`);
        onDone();
      },
    },
  );
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    create.run({ email: email.trim(), role });
  };
  return (
    <form className="grid gap-4" onSubmit={submit}>
      {create.error !== null && <ErrorNotice error={create.error} />}
      <TextField
        label="E-mail"
        type="email"
        autoComplete="off"
        value={email}
        onChange={({ target }) => setEmail(target.value)}
        required
      />
      <Select
        label="Role"
        options={roles}
        value={role}
        onChange={({ target }) => setRole(roles.find(({ value }) => value === target.value)?.value ?? first)}
      />
      <Button kind="primary" type="submit" busy={create.isBusy}>
        Send the invitation
      </Button>
    </form>
  );
}
