import { useQuery } from "@tanstack/react-query";
import { UserPlus } from "lucide-react";
import { useMemo, useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { useAccount, useCompany } from "../frame/account.ts";
import { NotYoursPage } from "../frame/not-yours-page.tsx";
import { useInvitationChanges } from "../frame/invitation-changes.ts";
import { Page } from "../frame/page.tsx";
import { Button } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Sort } from "../ui/data-table-columns.ts";
import { Loaded } from "../ui/loaded.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { columnsWith } from "./columns.tsx";
import { EndSessionsDialog } from "./end-sessions-dialog.tsx";
import { InviteDialog } from "./invite-dialog.tsx";
import { RemoveDialog } from "./remove-dialog.tsx";
import { RoleDialog } from "./role-dialog.tsx";
import type { Act } from "./row-menu.tsx";
import { rowsOf, type MemberRow, type PersonRow } from "./rows.ts";

export function PeoplePage(): ReactNode {
  const { can } = useCompany();
  return can("members") ? <People /> : <NotYoursPage />;
}

type Open = { readonly act: Act; readonly row: MemberRow } | "invite" | undefined;

/** Who belongs to the company, and who was invited. */
function People(): ReactNode {
  const { subdomain: company, role } = useCompany();
  const { id } = useAccount();
  const trpc = useTRPC();
  const members = useQuery(trpc.companies.members.list.queryOptions({ company }));
  const invitations = useQuery(trpc.invitations.list.queryOptions({ company }));
  const { resend, revoke, error } = useInvitationChanges(company);
  const [open, setOpen] = useState<Open>();
  const [sort, setSort] = useState<Sort>();
  const columns = useMemo(
    () =>
      columnsWith((act: Act, row: PersonRow) => {
        if (row.kind === "member") setOpen({ act, row });
        else if (act === "resend") resend(row);
        else revoke(row);
      }),
    [resend, revoke],
  );
  const close = (): void => setOpen(undefined);
  return (
    <Page
      title="People"
      actions={
        <Button kind="primary" icon={UserPlus} aria-keyshortcuts="n" onClick={() => setOpen("invite")}>
          Invite a person
        </Button>
      }
    >
      {error !== null && <ErrorNotice error={error} />}
      <Loaded query={members}>
        {(list) => (
          <DataTable
            label="People"
            rows={rowsOf({ members: list, invitations: invitations.data ?? [] }, { id, role })}
            columns={columns}
            rowKey={(row) => row.id}
            sort={sort}
            onSort={setSort}
          />
        )}
      </Loaded>
      {invitations.error !== null && (
        <ErrorNotice error={invitations.error} onRetry={() => void invitations.refetch()} />
      )}
      {open === "invite" && <InviteDialog onClose={close} />}
      {typeof open === "object" && <MemberDialog {...open} onClose={close} />}
    </Page>
  );
}

function MemberDialog({
  act,
  row,
  onClose,
}: {
  readonly act: Act;
  readonly row: MemberRow;
  readonly onClose: () => void;
}): ReactNode {
  if (act === "change-role") return <RoleDialog row={row} onClose={onClose} />;
  if (act === "end-sessions") return <EndSessionsDialog row={row} onClose={onClose} />;
  return <RemoveDialog row={row} onClose={onClose} />;
}
