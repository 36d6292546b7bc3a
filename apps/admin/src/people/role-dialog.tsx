import { useState, type ReactNode } from "react";
import type { Role } from "@repo/tenant-secrets/client";
import { useTRPCClient } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";
import { RoleChoice } from "./role-choice.tsx";
import { roleWords } from "./roles.ts";
import type { MemberRow } from "./rows.ts";
import { useMembersChanged } from "./members-changed.ts";

export function RoleDialog({
  row,
  onClose,
}: {
  readonly row: MemberRow;
  readonly onClose: () => void;
}): ReactNode {
  const { subdomain: company, role: own } = useCompany();
  const client = useTRPCClient();
  const changed = useMembersChanged();
  const say = useToast();
  const [role, setRole] = useState<Role>(row.role);
  const change = useConfirmedChange(
    (next: Role) => client.companies.members.change.mutate({ company, userId: row.id, role: next }),
    {
      why: "Changing a role needs a recent sign-in.",
      onDone: async (member) => {
        await changed({ isOwn: row.isYou });
        say(`${row.name} is now ${roleWords[member.role].label.toLowerCase()}`);
        onClose();
      },
    },
  );
  return (
    <Dialog
      open
      onClose={onClose}
      title={row.isYou ? "Your role" : `Role of ${row.name}`}
      description={row.email}
    >
      {row.isOnlyOwner ? (
        <>
          <OnlyOwner />
          <div className="flex justify-end">
            <Button onClick={onClose}>Close</Button>
          </div>
        </>
      ) : (
        <form
          className="grid gap-4"
          onSubmit={(event) => {
            event.preventDefault();
            change.run(role);
          }}
        >
          <RoleChoice own={own} value={role} onChange={setRole} />
          <p className="text-small text-muted">It counts within five seconds, on open pages too.</p>
          {change.error !== null && <ErrorNotice error={change.error} />}
          <div className="flex flex-wrap justify-end gap-2">
            <Button onClick={onClose}>Cancel</Button>
            <Button kind="primary" type="submit" disabled={role === row.role} busy={change.isBusy}>
              Change role
            </Button>
          </div>
        </form>
      )}
    </Dialog>
  );
}

export function OnlyOwner(): ReactNode {
  return (
    <Notice title="A company needs an owner">
      This is the only one. Make another member an owner first.
    </Notice>
  );
}
