import { ShieldCheck } from "lucide-react";
import type { ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { explain } from "../errors.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { Button } from "../ui/button.tsx";
import { useToast } from "../ui/toast.tsx";

/** Has the whole audit log verified, beside the verification of each night. */
export function VerifyButton(): ReactNode {
  const client = useTRPCClient();
  const say = useToast();
  const verify = useConfirmedChange(() => client.audit.verify.mutate(), {
    why: "Verifying the audit log needs a recent sign-in.",
    onDone: () => say("The verification runs in the background. The line below the title tells its outcome."),
  });
  return (
    <>
      {verify.error !== null && <span role="alert">{explain(verify.error).title}</span>}
      <Button icon={ShieldCheck} busy={verify.isBusy} onClick={() => verify.run(undefined)}>
        Verify now
      </Button>
    </>
  );
}
