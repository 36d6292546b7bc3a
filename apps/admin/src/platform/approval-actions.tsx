import { useQueryClient } from "@tanstack/react-query";
import { Check, X } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useAccount } from "../frame/account.ts";
import { Button } from "../ui/button.tsx";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { effectOf, titleOf, type Approval } from "./approval-words.ts";

/** What the operator of the page can do with an open request: not approve their own. */
export function ApprovalActions({ approval }: { readonly approval: Approval }): ReactNode {
  const { operator } = useAccount();
  const isOwn = operator?.id === approval.requestedBy.id;
  const [isGiving, setGiving] = useState(false);
  const client = useTRPCClient();
  const onDone = useAnswered();
  const input = { approval: approval.id };
  const why = "Answering a request needs a recent sign-in.";
  const give = useConfirmedChange(() => client.approvals.give.mutate(input), {
    why,
    onDone: async (answer) => {
      setGiving(false);
      await onDone(`Approved: ${titleOf(answer)}`);
    },
  });
  const refuse = useConfirmedChange(() => client.approvals.refuse.mutate(input), {
    why,
    onDone: (answer) => onDone(`${isOwn ? "Withdrawn" : "Refused"}: ${titleOf(answer)}`),
  });
  return (
    <>
      {isOwn && (
        <p className="text-muted">
          {approval.state === "waiting"
            ? "You asked for this, so another operator has to approve it."
            : "It is approved. Do it again with the same details, where you began."}
        </p>
      )}
      {refuse.error !== null && <ErrorNotice error={refuse.error} />}
      <div className="flex flex-wrap gap-2">
        {!isOwn && approval.state === "waiting" && (
          <Button kind="primary" icon={Check} onClick={() => setGiving(true)}>
            Approve…
          </Button>
        )}
        <Button icon={X} busy={refuse.isBusy} onClick={() => refuse.run(undefined)}>
          {isOwn ? "Withdraw" : "Refuse"}
        </Button>
      </div>
      <ConfirmDialog
        open={isGiving}
        onClose={() => setGiving(false)}
        title={titleOf(approval)}
        action="Approve"
        onConfirm={() => give.run(undefined)}
        busy={give.isBusy}
      >
        <p>{effectOf(approval)}</p>
        <p>{approval.requestedBy.name} does it, within 24 hours of having asked.</p>
        {give.error !== null && <ErrorNotice error={give.error} />}
      </ConfirmDialog>
    </>
  );
}

function useAnswered(): (text: string) => Promise<void> {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const say = useToast();
  return async (text) => {
    await queryClient.invalidateQueries(trpc.approvals.list.pathFilter());
    say(text);
  };
}
