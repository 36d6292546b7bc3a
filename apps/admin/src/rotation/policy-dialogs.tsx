import type { ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { RotateDialog } from "../frame/rotate-dialog.tsx";
import { useRotationChange } from "../frame/rotation-change.ts";
import type { RotationPolicy } from "../frame/rotation-words.ts";
import { Button } from "../ui/button.tsx";
import { ConfirmDialog, Dialog } from "../ui/dialog.tsx";
import { Refusal } from "./refusal.tsx";

/** A policy, and what a person wants of it. */
export interface OpenPolicyDialog {
  readonly policy: RotationPolicy;
  readonly act: "rotate" | "pause" | "resume" | "remove";
}

interface PolicyDialogProps {
  readonly policy: RotationPolicy;
  readonly onClose: () => void;
}

export function PolicyDialog({ act, ...props }: OpenPolicyDialog & PolicyDialogProps): ReactNode {
  const { subdomain: company } = useCompany();
  switch (act) {
    case "rotate":
      return <RotateDialog {...props} company={company} />;
    case "pause":
      return (
        <StateDialog {...props} to="pause" title="Pause" said="Paused">
          Nothing is due by time until it is resumed. A rotation that is under way goes on, and the secret can
          still be rotated by hand.
        </StateDialog>
      );
    case "resume":
      return (
        <StateDialog {...props} to="resume" title="Resume" said="Resumed">
          Its schedule counts again. What comes next is counted from now; times that were missed are not made
          up for.
        </StateDialog>
      );
    case "remove":
      return <RemoveDialog {...props} />;
  }
}

interface StateDialogProps extends PolicyDialogProps {
  readonly to: "pause" | "resume";
  readonly title: string;
  readonly said: string;
  readonly children: string;
}

function StateDialog({ policy, onClose, to, title, said, children }: StateDialogProps): ReactNode {
  const { secretKey } = policy;
  const { subdomain: company } = useCompany();
  const client = useTRPCClient();
  const change = useRotationChange(() => client.rotation[to].mutate({ company, secretKey }), {
    say: said,
    onDone: onClose,
  });
  return (
    <Dialog open onClose={onClose} title={`${title} the rotation of ${secretKey}`} description={children}>
      {change.error !== null && <Refusal error={change.error} title="Nothing was changed" />}
      <div className="flex flex-wrap justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="primary" busy={change.isBusy} onClick={() => change.run(undefined)}>
          {title}
        </Button>
      </div>
    </Dialog>
  );
}

function RemoveDialog({ policy: { secretKey, orphans }, onClose }: PolicyDialogProps): ReactNode {
  const { subdomain: company } = useCompany();
  const client = useTRPCClient();
  const remove = useRotationChange(() => client.rotation.removePolicy.mutate({ company, secretKey }), {
    say: `${secretKey} is rotated no more`,
    onDone: onClose,
  });
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={`Remove the rotation of ${secretKey}?`}
      action="Remove"
      onConfirm={() => remove.run(undefined)}
      busy={remove.isBusy}
    >
      <div className="grid gap-3">
        <p>
          The secret keeps its value, and its credential stays valid at the provider: nothing is ended there.
          No rotation replaces it from now on.
        </p>
        {orphans.length > 0 && (
          <p>
            This list no longer shows what may be left at the provider:{" "}
            <span translate="no" className="font-mono text-code break-all">
              {orphans.join(", ")}
            </span>
          </p>
        )}
        {remove.error !== null && <Refusal error={remove.error} title="It was not removed" />}
      </div>
    </ConfirmDialog>
  );
}
