import { useState, type ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { Checkbox } from "../ui/choices.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Select } from "../ui/field.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import type { EndpointDialogProps } from "./change.ts";
import { useMaking, type MadeSecret } from "./making.ts";
import { useEndpointOwner } from "./place.ts";

const overlaps = [
  { value: "3600", label: "1 hour" },
  { value: "86400", label: "24 hours" },
  { value: "604800", label: "7 days" },
  { value: "0", label: "No longer: it ends at once" },
];

/** Makes the next secret, while the old one still signs for a while. */
export function RollDialog({
  endpoint,
  onClose,
  onRolled,
}: EndpointDialogProps & { readonly onRolled: (made: MadeSecret) => void }): ReactNode {
  const { company } = useEndpointOwner();
  const client = useTRPCClient();
  const { make, isBusy, error } = useMaking("Rolling a secret needs a recent sign-in.", onRolled);
  const [seconds, setSeconds] = useState("86400");
  const [isForced, setForced] = useState(false);
  const [requestId] = useState(() => crypto.randomUUID());
  const { previousSecretUntil } = endpoint;
  const mayRoll = previousSecretUntil === undefined || isForced;
  const roll = (): void =>
    void make(() =>
      client.webhooks.roll.mutate({
        company,
        endpoint: endpoint.id,
        overlapSeconds: Number(seconds),
        force: isForced,
        requestId: `${requestId}-${seconds}-${String(isForced)}`,
      }),
    );
  return (
    <Dialog
      open
      onClose={onClose}
      title="Roll the secret"
      description="Each notification is signed with both secrets until the overlap ends, so that the receiver changes without a gap."
    >
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (mayRoll) roll();
        }}
      >
        <Select
          label="The old secret signs as well for"
          value={seconds}
          onChange={(event) => setSeconds(event.target.value)}
          options={overlaps}
        />
        {previousSecretUntil !== undefined && (
          <Checkbox
            label="End the overlap of the last roll"
            hint={
              <>
                The secret before that one signs until <Time at={previousSecretUntil} as="exact" />, and may
                still be in use.
              </>
            }
            checked={isForced}
            onChange={setForced}
          />
        )}
        {error !== undefined && <ErrorNotice error={error} />}
        <div className="flex flex-wrap justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" busy={isBusy} disabled={!mayRoll}>
            Make the next secret
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
