import { useNavigate } from "@tanstack/react-router";
import { useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { Button } from "../ui/button.tsx";
import { Checkbox } from "../ui/choices.tsx";
import { ConfirmDialog, Dialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";
import { useMembersChanged } from "./members-changed.ts";
import { OnlyOwner } from "./role-dialog.tsx";
import type { MemberRow } from "./rows.ts";

interface RemoveDialogProps {
  readonly row: MemberRow;
  readonly onClose: () => void;
}

/** Removes a person, or oneself, and tells which API keys of theirs go on. */
export function RemoveDialog({ row, onClose }: RemoveDialogProps): ReactNode {
  const { subdomain: company } = useCompany();
  const client = useTRPCClient();
  const changed = useMembersChanged();
  const leave = useLeave();
  const say = useToast();
  const [revokeApiKeys, setRevokeApiKeys] = useState(false);
  const [requestId] = useState(() => crypto.randomUUID());
  const [left, setLeft] = useState<ApiAnswers["companies"]["members"]["remove"]>();
  const remove = useConfirmedChange(
    () =>
      client.companies.members.remove.mutate({
        company,
        userId: row.id,
        requestId: `${requestId}-${revokeApiKeys}`,
        ...(revokeApiKeys && { revokeApiKeys }),
      }),
    {
      why: row.isYou ? "Leaving needs a recent sign-in." : "Removing a person needs a recent sign-in.",
      onDone: async (answer) => {
        if (row.isYou) return leave();
        await changed({ isOwn: false });
        say(`${row.name} was removed`);
        if (answer.apiKeys.length > 0 && !answer.revoked) setLeft(answer);
        else onClose();
      },
    },
  );
  if (row.isOnlyOwner) {
    return (
      <Dialog open onClose={onClose} title={row.isYou ? `Leave ${company}?` : `Remove ${row.name}?`}>
        <OnlyOwner />
        <div className="flex justify-end">
          <Button onClick={onClose}>Close</Button>
        </div>
      </Dialog>
    );
  }
  if (left !== undefined) {
    return (
      <Dialog
        open
        onClose={onClose}
        title="Their API keys go on"
        description={`${row.name} made these. Revoke those that are in wrong hands now.`}
      >
        <ul className="grid list-disc gap-1 pl-5">
          {left.apiKeys.map(({ id, name }) => (
            <li key={id}>{name}</li>
          ))}
        </ul>
        <div className="flex justify-end">
          <Button onClick={onClose}>Close</Button>
        </div>
      </Dialog>
    );
  }
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={row.isYou ? `Leave ${company}?` : `Remove ${row.name}?`}
      action={row.isYou ? "Leave" : "Remove"}
      onConfirm={() => remove.run(undefined)}
      busy={remove.isBusy}
    >
      <div className="grid gap-3">
        <p>
          {row.isYou
            ? `You see nothing of ${company} any more, in any of your sessions. Only an invitation brings you back.`
            : `${row.email} sees nothing of ${company} any more, in any of their sessions. Only an invitation brings them back.`}
        </p>
        <div className="text-ink">
          <Checkbox
            label={`Revoke the API keys that ${row.isYou ? "you" : "they"} made as well`}
            hint="Programs that use them stop working at once."
            checked={revokeApiKeys}
            onChange={setRevokeApiKeys}
          />
        </div>
        {remove.error !== null && <ErrorNotice error={remove.error} />}
      </div>
    </ConfirmDialog>
  );
}

/** After oneself was removed: the company is no longer one's own. */
function useLeave(): () => Promise<void> {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  return async () => {
    await queryClient.invalidateQueries(trpc.me.get.pathFilter());
    await navigate({ to: "/", replace: true });
  };
}
