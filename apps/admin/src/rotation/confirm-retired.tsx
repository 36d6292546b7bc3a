import type { ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { useRotationChange } from "../frame/rotation-change.ts";
import { Button } from "../ui/button.tsx";
import { Refusal } from "./refusal.tsx";
import type { RunDetails } from "./run-details.ts";

/** The person has ended the old key. It is asked for first whether the provider accepts the new one, and the old one no more. */
export function ConfirmRetired({ run: { id } }: { readonly run: RunDetails }): ReactNode {
  const { subdomain: company } = useCompany();
  const client = useTRPCClient();
  const confirm = useRotationChange(() => client.rotation.confirm.mutate({ company, run: id }), {
    say: "Confirmed: the rotation is about to end",
    onDone: () => {},
  });
  return (
    <div className="grid gap-3">
      {confirm.error !== null && <Refusal error={confirm.error} title="Not confirmed" />}
      <div>
        <Button kind="primary" busy={confirm.isBusy} onClick={() => confirm.run(undefined)}>
          I have ended the old key
        </Button>
      </div>
    </div>
  );
}
