import { useNavigate } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { Checkbox } from "../ui/choices.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { type Purpose, PurposeField } from "./purpose-field.tsx";
import { useRotationChange } from "./rotation-change.ts";
import { durationInWords } from "./rotation-schedule.ts";
import type { RotationPolicy } from "./rotation-words.ts";

interface RotateDialogProps {
  readonly company: string;
  readonly policy: RotationPolicy;
  readonly onClose: () => void;
}

/** Starts a rotation, and goes to its page. */
export function RotateDialog({ company, policy, onClose }: RotateDialogProps): ReactNode {
  const { secretKey, overlapSeconds } = policy;
  const client = useTRPCClient();
  const navigate = useNavigate();
  const [isUrgent, setUrgent] = useState(false);
  const [purpose, setPurpose] = useState<Purpose>();
  const rotate = useRotationChange(
    (why: { readonly urgent: boolean; readonly purpose?: Purpose | undefined }) =>
      client.rotation.rotate.mutate({ company, secretKey, ...why }),
    {
      onDone: ({ run }) => {
        onClose();
        void navigate({ to: "/c/$company/rotation/runs/$run", params: { company, run } });
      },
    },
  );
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Rotate ${secretKey} now`}
      description={`The next credential is made and tested, and becomes the current value. The one before is accepted for ${durationInWords(overlapSeconds / 60)} more.`}
    >
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          rotate.run(isUrgent ? { urgent: true, purpose } : { urgent: false });
        }}
      >
        <Checkbox
          label="Urgent: the old credential has leaked"
          hint="Without a lead and without an overlap. It is still tested."
          checked={isUrgent}
          onChange={setUrgent}
        />
        {isUrgent && <PurposeField purpose={purpose} onChoose={setPurpose} />}
        {isUrgent && (
          <Notice kind="warn" title="The old credential ends as soon as the new one is current">
            Programs that hold the old value fail until they read the secret again, and there is nothing to
            fall back to. A credential that a person made is not ended by this: end it at the provider.
          </Notice>
        )}
        {rotate.error !== null && <ErrorNotice error={rotate.error} />}
        <div className="flex flex-wrap justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind="primary"
            type="submit"
            disabled={isUrgent && purpose === undefined}
            busy={rotate.isBusy}
          >
            {isUrgent ? "Rotate urgently" : "Rotate now"}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
