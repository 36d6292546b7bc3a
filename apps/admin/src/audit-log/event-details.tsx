import { useEffect, useRef, type ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { Copy } from "../ui/copy.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Time } from "../ui/time.tsx";
import { wordsOfAction } from "./action-words.ts";
import { ActorName } from "./actor.tsx";
import type { AuditSearch } from "./search.ts";
import { outcomeWords, wordsOfReason, type AuditEvent } from "./words.ts";

interface EventDetailsProps {
  readonly event: AuditEvent | undefined;
  /** Its company, where the list is of several. */
  readonly company?: string | undefined;
  readonly onClose: () => void;
  readonly onSearch: (change: AuditSearch) => void;
}

/** All that the audit log knows of an event, and the ways to what belongs to it. */
export function EventDetails({ event, company, onClose, onSearch }: EventDetailsProps): ReactNode {
  return (
    <Dialog
      open={event !== undefined}
      onClose={onClose}
      title={event === undefined ? "" : wordsOfAction(event.action)}
      place="side"
    >
      {event !== undefined && (
        <Details
          event={event}
          company={company}
          onSearch={(change) => {
            onClose();
            onSearch(change);
          }}
        />
      )}
    </Dialog>
  );
}

function Details({
  event,
  company,
  onSearch,
}: Pick<EventDetailsProps, "company" | "onSearch"> & { readonly event: AuditEvent }) {
  const { actorKind, actorId, actorName, secretKey, version, requestId, subject, lastAt } = event;
  const ways = useRef<HTMLDivElement>(null);
  // Before the dialog gives the focus to the time, whose tooltip would come up.
  useEffect(() => ways.current?.querySelector("button")?.focus(), []);
  return (
    <>
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] items-baseline gap-x-4 gap-y-2">
        <Field name="Time">
          <Time at={event.occurredAt} as="exact" />
        </Field>
        {event.count > 1 && (
          <Field name="Times">
            {event.count}, counted together
            {lastAt !== null && (
              <>
                {" until "}
                <Time at={lastAt} as="exact" />
              </>
            )}
          </Field>
        )}
        {company !== undefined && <Field name="Company">{company}</Field>}
        <Field name="Who">
          <span className="inline-block max-w-full">
            <ActorName actor={{ kind: actorKind, id: actorId, name: actorName }} />
          </span>
        </Field>
        <Field name="Id of who">
          <Id text={actorId} label="Copy the id of who" />
        </Field>
        <Field name="Action">
          <Code>{event.action}</Code>
        </Field>
        {secretKey !== null && (
          <Field name="Secret">
            <Code>{secretKey}</Code>
          </Field>
        )}
        {version !== null && <Field name="Version">{version}</Field>}
        <Field name="Outcome">{outcomeWords[event.outcome]}</Field>
        {event.reason !== null && (
          <Field name="Reason">
            {wordsOfReason(event.reason)} <Code>{event.reason}</Code>
          </Field>
        )}
        {subject !== null && (
          <Field name="Concerns">
            <Id text={subject} label="Copy what it concerns" />
          </Field>
        )}
        {event.address !== null && (
          <Field name="Address">
            <Code>{event.address}</Code>
          </Field>
        )}
        {requestId !== null && (
          <Field name="Request">
            <Id text={requestId} label="Copy the request id" />
          </Field>
        )}
        <Field name="Event">
          <Id text={event.id} label="Copy the id of the event" />
        </Field>
      </dl>
      <div ref={ways} className="flex flex-wrap gap-2 border-t border-line pt-4">
        <Button onClick={() => onSearch({ actor: actorId })}>Only who this was</Button>
        {company !== undefined && <Button onClick={() => onSearch({ company })}>Only this company</Button>}
        {secretKey !== null && (
          <Button onClick={() => onSearch({ secret: secretKey })}>Only this secret</Button>
        )}
        {requestId !== null && (
          <Button onClick={() => onSearch({ request: requestId })}>Only this request</Button>
        )}
      </div>
    </>
  );
}

function Field({ name, children }: { readonly name: string; readonly children: ReactNode }): ReactNode {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="min-w-0">{children}</dd>
    </>
  );
}

function Code({ children }: { readonly children: string }): ReactNode {
  return (
    <span translate="no" className="font-mono text-code break-all">
      {children}
    </span>
  );
}

function Id({ text, label }: { readonly text: string; readonly label: string }): ReactNode {
  return (
    <span className="flex items-center gap-1">
      <Code>{text}</Code>
      <Copy text={text} label={label} />
    </span>
  );
}
