import { useState, type ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Select } from "../ui/field.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useEndpointChange, type EndpointDialogProps } from "./change.ts";
import { useEndpointOwner } from "./place.ts";
import type { Endpoint } from "./words.ts";

const hourMs = 3_600_000;
const times = [
  { value: String(hourMs), label: "In the last hour" },
  { value: String(24 * hourMs), label: "In the last 24 hours" },
  { value: String(7 * 24 * hourMs), label: "In the last 7 days" },
  { value: String(30 * 24 * hourMs), label: "In the last 30 days" },
];

/** Sends again what was given up. There is none of it where there is nothing to send. */
export function ReplayButton({ endpoint }: { readonly endpoint: Endpoint }): ReactNode {
  const [isOpen, setOpen] = useState(false);
  if (endpoint.dead === 0) return null;
  return (
    <>
      <Button onClick={() => setOpen(true)}>Send again what was given up…</Button>
      {isOpen && <ReplayDialog endpoint={endpoint} onClose={() => setOpen(false)} />}
    </>
  );
}

function ReplayDialog({ endpoint, onClose }: EndpointDialogProps): ReactNode {
  const { company } = useEndpointOwner();
  const client = useTRPCClient();
  const [ago, setAgo] = useState(String(24 * hourMs));
  const replay = useEndpointChange(
    () =>
      client.webhooks.replay.mutate({
        company,
        endpoint: endpoint.id,
        since: new Date(Date.now() - Number(ago)),
      }),
    {
      say: ({ deliveries }) =>
        `${deliveries} ${deliveries === 1 ? "delivery is" : "deliveries are"} sent again`,
      onDone: onClose,
    },
  );
  return (
    <Dialog
      open
      onClose={onClose}
      title="Send again what was given up"
      description="Five a second, each with the id and body that it had: the receiver tells by the id what it has already."
    >
      <Select label="Made" value={ago} onChange={(event) => setAgo(event.target.value)} options={times} />
      {replay.error !== null && <ErrorNotice error={replay.error} />}
      <div className="flex flex-wrap justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="primary" busy={replay.isBusy} onClick={() => replay.run(undefined)}>
          Send again
        </Button>
      </div>
    </Dialog>
  );
}
