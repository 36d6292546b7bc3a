import type { ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";
import type { MemberRow } from "./rows.ts";

export function EndSessionsDialog({
  row,
  onClose,
}: {
  readonly row: MemberRow;
  readonly onClose: () => void;
}): ReactNode {
  const { subdomain: company } = useCompany();
  const client = useTRPCClient();
  const say = useToast();
  const end = useConfirmedChange(
    () => client.companies.members.endSessions.mutate({ company, userId: row.id }),
    {
      why: "Ending sessions of others needs a recent sign-in.",
      onDone: () => {
        say(`${row.name} is signed out everywhere`);
        onClose();
      },
    },
  );
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={`End the sessions of ${row.name}?`}
      action="End sessions"
      onConfirm={() => end.run(undefined)}
      busy={end.isBusy}
    >
      <div className="grid gap-3">
        <p>
          {row.email} is signed out in every browser at once, of their other companies too. They keep their
          role, and can sign in again.
        </p>
        {end.error !== null && <ErrorNotice error={end.error} />}
      </div>
    </ConfirmDialog>
  );
}
