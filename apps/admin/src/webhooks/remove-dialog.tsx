import { useNavigate } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useEndpointChange, type EndpointDialogProps } from "./change.ts";
import { useEndpointOwner } from "./place.ts";
import { nameOf } from "./words.ts";

export function RemoveDialog({ endpoint, onClose }: EndpointDialogProps): ReactNode {
  const { company, list } = useEndpointOwner();
  const client = useTRPCClient();
  const navigate = useNavigate();
  const remove = useEndpointChange(() => client.webhooks.remove.mutate({ company, endpoint: endpoint.id }), {
    say: () => `${nameOf(endpoint)} was removed`,
    onDone: () => void navigate(list),
  });
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={`Remove ${nameOf(endpoint)}?`}
      action="Remove"
      onConfirm={() => remove.run(undefined)}
      busy={remove.isBusy}
    >
      <div className="grid gap-3">
        <p>
          Its secret, the log of its deliveries and the {endpoint.waiting} that wait go with it. It cannot be
          taken back.
        </p>
        {remove.error !== null && <ErrorNotice error={remove.error} />}
      </div>
    </ConfirmDialog>
  );
}
