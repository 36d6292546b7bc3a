import { Send } from "lucide-react";
import type { ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { Copy } from "../ui/copy.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { useEndpointChange } from "./change.ts";
import { useEndpointOwner } from "./place.ts";
import { DeliveryBadge } from "./state-badge.tsx";
import { wordsOfType } from "./type-words.ts";
import { wordsOfFailure, type Delivery } from "./words.ts";

interface DeliveryDetailsProps {
  readonly delivery: Delivery;
  readonly onClose: () => void;
}

/** A delivery with its attempts and the body, which is the same in all of them. */
export function DeliveryDetails({ delivery, onClose }: DeliveryDetailsProps): ReactNode {
  const { id, type, state, webhookId, body } = delivery;
  const { company } = useEndpointOwner();
  const client = useTRPCClient();
  const replay = useEndpointChange(() => client.webhooks.replay.mutate({ company, delivery: id }), {
    say: () => "It is sent again",
    onDone: onClose,
  });
  return (
    <Dialog open onClose={onClose} title={wordsOfType(type)} place="side">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
        {(state === "delivered" || state === "dead") && (
          <Button icon={Send} busy={replay.isBusy} onClick={() => replay.run(undefined)}>
            Send again
          </Button>
        )}
        <DeliveryBadge state={state} />
      </div>
      {replay.error !== null && <ErrorNotice error={replay.error} />}
      <section aria-label="Attempts" className="grid gap-2">
        <h3 className="font-medium">Attempts</h3>
        <Attempts {...delivery} />
      </section>
      <section aria-label="Id" className="grid gap-1">
        <h3 className="font-medium">webhook-id</h3>
        <span className="flex items-center gap-1">
          <code translate="no" className="min-w-0 font-mono text-code break-all">
            {webhookId}
          </code>
          <Copy text={webhookId} label="Copy the id" />
        </span>
      </section>
      <section aria-label="Body" className="grid gap-2">
        <h3 className="font-medium">Body</h3>
        <pre
          translate="no"
          className="rounded-panel border border-line bg-sunken p-3 font-mono text-code wrap-anywhere whitespace-pre-wrap"
        >
          {indented(body)}
        </pre>
      </section>
    </Dialog>
  );
}

function Attempts({ attempts, nextAt }: Delivery): ReactNode {
  if (attempts.length === 0 && nextAt === undefined) return <p className="text-muted">There was none yet.</p>;
  return (
    <ol className="divide-y divide-line rounded-panel border border-line bg-surface">
      {attempts.map(({ startedAt, milliseconds, status, failure }) => (
        <li key={startedAt.getTime()} className="grid px-3 py-2">
          <span>
            {status !== undefined && <span className="font-medium tabular-nums">{status}</span>}
            {status !== undefined && failure !== undefined && ": "}
            {failure !== undefined && wordsOfFailure(failure)}
          </span>
          <span className="text-small text-muted">
            <Time at={startedAt} as="exact" />, {Math.round(milliseconds)} ms
          </span>
        </li>
      ))}
      {nextAt !== undefined && (
        <li className="px-3 py-2 text-muted">
          The next one is due <Time at={nextAt} as="exact" />
        </li>
      )}
    </ol>
  );
}

function indented(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), undefined, 2);
  } catch {
    return body;
  }
}
