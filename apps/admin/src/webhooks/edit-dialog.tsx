import { useState, type ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useEndpointChange, type EndpointDialogProps } from "./change.ts";
import { draftOf, EndpointFields, wrongWith, type EndpointDraft } from "./endpoint-fields.tsx";
import { useEndpointOwner } from "./place.ts";

/** Changes where an endpoint is, and what it is notified of. */
export function EditDialog({ endpoint, onClose }: EndpointDialogProps): ReactNode {
  const { company } = useEndpointOwner();
  const client = useTRPCClient();
  const [draft, setDraft] = useState(() => draftOf(endpoint));
  const [isTried, setTried] = useState(false);
  const wrong = wrongWith(draft);
  const change = useEndpointChange(
    ({ url, description, perSecond, types }: EndpointDraft) =>
      client.webhooks.update.mutate({
        company,
        endpoint: endpoint.id,
        url: url.trim(),
        description: description.trim(),
        perSecond: Number(perSecond),
        types: types.kind === "all" ? null : types.picked,
      }),
    { say: () => "The endpoint was changed", onDone: onClose },
  );
  return (
    <Dialog open onClose={onClose} title="Edit the endpoint" place="side">
      <form
        noValidate
        className="grid gap-6"
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          if (wrong === undefined) change.run(draft);
        }}
      >
        <EndpointFields draft={draft} onChange={setDraft} wrong={isTried ? wrong : undefined} />
        {change.error !== null && <ErrorNotice error={change.error} />}
        <div className="flex flex-wrap gap-2">
          <Button kind="primary" type="submit" busy={change.isBusy}>
            Save
          </Button>
          <Button onClick={onClose}>Cancel</Button>
        </div>
      </form>
    </Dialog>
  );
}
