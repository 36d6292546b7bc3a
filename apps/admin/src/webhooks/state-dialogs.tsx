import type { ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useEndpointChange, type EndpointDialogProps } from "./change.ts";
import { useEndpointOwner } from "./place.ts";

export function PauseDialog(props: EndpointDialogProps): ReactNode {
  return (
    <StateDialog {...props} to="pause" title="Pause the endpoint" action="Pause" said="Paused">
      Nothing is sent to it until it is resumed. Its notifications wait; those that wait for more than 72
      hours are given up when it is resumed, and can be sent again from its page.
    </StateDialog>
  );
}

export function ResumeDialog(props: EndpointDialogProps): ReactNode {
  return (
    <StateDialog {...props} to="resume" title="Resume the endpoint" action="Resume" said="Resumed">
      What waited for less than 72 hours is sent. What waited longer is given up, and can be sent again from
      its page.
    </StateDialog>
  );
}

interface StateDialogProps extends EndpointDialogProps {
  readonly to: "pause" | "resume";
  readonly title: string;
  readonly action: string;
  readonly said: string;
  readonly children: string;
}

function StateDialog({ endpoint, onClose, to, title, action, said, children }: StateDialogProps): ReactNode {
  const { company } = useEndpointOwner();
  const client = useTRPCClient();
  const change = useEndpointChange(() => client.webhooks[to].mutate({ company, endpoint: endpoint.id }), {
    say: () => said,
    onDone: onClose,
  });
  return (
    <Dialog open onClose={onClose} title={title} description={children}>
      {change.error !== null && <ErrorNotice error={change.error} />}
      <div className="flex flex-wrap justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="primary" busy={change.isBusy} onClick={() => change.run(undefined)}>
          {action}
        </Button>
      </div>
    </Dialog>
  );
}
