import { Circle, ShieldCheck } from "lucide-react";
import type { ReactNode } from "react";
import { InvitationMail } from "../frame/invitation-mail.tsx";
import { Badge } from "../ui/badge.tsx";
import type { Column } from "../ui/data-table-columns.ts";
import { Time } from "../ui/time.tsx";
import { rankOf, roleWords } from "./roles.ts";
import { RowMenu, type Act } from "./row-menu.tsx";
import type { PersonRow } from "./rows.ts";

/** @param onAct what was chosen from the menu of a row */
export function columnsWith(onAct: (act: Act, row: PersonRow) => void): readonly Column<PersonRow>[] {
  return [
    {
      id: "person",
      header: "Person",
      cell: (row) => <PersonCell row={row} />,
      sortBy: ({ email }) => email,
      text: (row) => `${row.kind === "member" ? row.name : ""} ${row.email}`,
      onPhone: "heading",
    },
    {
      id: "role",
      header: "Role",
      cell: ({ kind, role }) => (
        <span className={`grid ${kind === "invitation" ? "text-muted" : ""}`}>
          {roleWords[role].label}
          <span className="text-small text-muted">{roleWords[role].short}</span>
        </span>
      ),
      sortBy: ({ role }) => rankOf(role),
    },
    {
      id: "second-factor",
      header: "Second factor",
      cell: (row) => <SecondFactor row={row} />,
    },
    {
      id: "last-sign-in",
      header: "Last sign-in",
      cell: (row) =>
        row.kind === "member" ? (
          <LastSignIn at={row.member.lastSignInAt} />
        ) : (
          <InvitationMail invitation={row.invitation} />
        ),
      sortBy: (row) => (row.kind === "member" ? row.member.lastSignInAt : undefined),
    },
    {
      id: "since",
      header: "Since",
      align: "end",
      cell: (row) =>
        row.kind === "member" ? (
          <Time at={row.member.since} />
        ) : (
          <span className="text-muted">
            <Time at={row.invitation.createdAt} />
          </span>
        ),
      sortBy: (row) => (row.kind === "member" ? row.member.since : row.invitation.createdAt),
    },
    {
      id: "menu",
      header: "Actions",
      align: "end",
      cell: (row) => <RowMenu row={row} onAct={(act) => onAct(act, row)} />,
      onPhone: "corner",
    },
  ];
}

function PersonCell({ row }: { readonly row: PersonRow }): ReactNode {
  if (row.kind === "invitation") {
    return (
      <span className="flex max-w-80 min-w-0 items-center gap-2 text-muted">
        <span className="truncate">{row.email}</span>
        <Badge tone="accent">Invited</Badge>
      </span>
    );
  }
  return (
    <span className="grid max-w-80 min-w-0">
      <span className="flex min-w-0 items-center gap-2">
        <span className="truncate font-medium">{row.name}</span>
        {row.isYou && <Badge>You</Badge>}
      </span>
      <span className="truncate text-small text-muted">{row.email}</span>
    </span>
  );
}

function SecondFactor({ row }: { readonly row: PersonRow }): ReactNode {
  if (row.kind === "invitation") return <span className="text-muted">–</span>;
  const { secondFactor } = row.member;
  if (secondFactor === undefined) return <span className="text-muted">Not known yet</span>;
  const [Icon, look, word] = secondFactor
    ? ([ShieldCheck, "text-ok", "On"] as const)
    : ([Circle, "text-muted", "None"] as const);
  return (
    <span className={`inline-flex items-center gap-1.5 align-middle ${look}`}>
      <Icon size={16} aria-hidden />
      {word}
    </span>
  );
}

function LastSignIn({ at }: { readonly at: Date | undefined }): ReactNode {
  return at === undefined ? <span className="text-muted">Not yet</span> : <Time at={at} />;
}
