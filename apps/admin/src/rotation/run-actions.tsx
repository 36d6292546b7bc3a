import { CircleStop, Undo2 } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { useRotationChange } from "../frame/rotation-change.ts";
import { Button } from "../ui/button.tsx";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { Refusal } from "./refusal.tsx";
import type { RunDetails } from "./run-details.ts";

/** What can be asked of a run that goes on. */
export function RunActions({ run }: { readonly run: RunDetails }): ReactNode {
  const { can } = useCompany();
  const { allows } = run;
  const [opened, setOpened] = useState<"abort" | "fallBack">();
  const close = (): void => setOpened(undefined);
  if (!can("rotate")) return null;
  return (
    <>
      {allows.includes("abort") && (
        <Button icon={CircleStop} onClick={() => setOpened("abort")}>
          Abort…
        </Button>
      )}
      {allows.includes("fallBack") && (
        <Button icon={Undo2} onClick={() => setOpened("fallBack")}>
          Fall back…
        </Button>
      )}
      {opened === "abort" && (
        <RunDialog
          run={run}
          onClose={close}
          act="abort"
          title="Abort this rotation?"
          action="Abort"
          said="Aborted"
        >
          The current value stays. The new one is discarded, and its credential ended at the provider. What a
          person made there is ended there by a person.
        </RunDialog>
      )}
      {opened === "fallBack" && (
        <RunDialog
          run={run}
          onClose={close}
          act="fallBack"
          title="Fall back to the value before?"
          action="Fall back"
          said="It falls back"
        >
          The value before becomes current again as a new version. The credential that this rotation made is
          ended at the provider, and the policy is paused until a person resumes it. What a person made there
          is ended there by a person.
        </RunDialog>
      )}
    </>
  );
}

interface RunDialogProps {
  readonly run: RunDetails;
  readonly onClose: () => void;
  readonly act: "abort" | "fallBack";
  readonly title: string;
  readonly action: string;
  readonly said: string;
  readonly children: string;
}

function RunDialog({ run, onClose, act, title, action, said, children }: RunDialogProps): ReactNode {
  const { subdomain: company } = useCompany();
  const client = useTRPCClient();
  const change = useRotationChange(() => client.rotation[act].mutate({ company, run: run.id }), {
    say: said,
    onDone: onClose,
  });
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={title}
      action={action}
      onConfirm={() => change.run(undefined)}
      busy={change.isBusy}
    >
      <div className="grid gap-3">
        <p>{children}</p>
        {change.error !== null && <Refusal error={change.error} title="Nothing was changed" />}
      </div>
    </ConfirmDialog>
  );
}
