import { useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { Switch } from "../ui/choices.tsx";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";

interface SecondFactorProps {
  readonly required: boolean;
  readonly mayChange: boolean;
}

/** Whether the company asks a second factor of all its people. It is asked of owners and admins in any case. */
export function SecondFactor({ required, mayChange }: SecondFactorProps): ReactNode {
  const { subdomain: company } = useCompany();
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queryClient = useQueryClient();
  const say = useToast();
  const [isAsking, setAsking] = useState(false);
  const change = useConfirmedChange(
    (next: boolean) => client.companies.setSecondFactor.mutate({ company, required: next }),
    {
      why: "Changing who needs a second factor needs a recent sign-in.",
      onDone: async (_, next) => {
        await queryClient.invalidateQueries(trpc.companies.settings.pathFilter());
        await queryClient.invalidateQueries(trpc.me.get.pathFilter());
        setAsking(false);
        say(next ? "Everyone needs a second factor now" : "Members and auditors need no second factor now");
      },
    },
  );
  if (!mayChange) {
    return (
      <p>
        {required
          ? "Everyone in this company needs a second factor."
          : "Owners and admins need a second factor; members and auditors may have one."}
      </p>
    );
  }
  return (
    <>
      <Switch
        label="Everyone needs a second factor"
        hint="Owners and admins need one in any case."
        checked={required}
        disabled={change.isBusy}
        onChange={(next) => (next ? setAsking(true) : change.run(next))}
      />
      {!isAsking && change.error !== null && <ErrorNotice error={change.error} />}
      <ConfirmDialog
        open={isAsking}
        onClose={() => setAsking(false)}
        title="Ask a second factor of everyone?"
        action="Ask it of everyone"
        onConfirm={() => change.run(true)}
        busy={change.isBusy}
      >
        <div className="grid gap-3">
          <p>
            Members and auditors without one can add one and do nothing else, within five seconds. The list of
            people shows who has none.
          </p>
          {change.error !== null && <ErrorNotice error={change.error} />}
        </div>
      </ConfirmDialog>
    </>
  );
}
