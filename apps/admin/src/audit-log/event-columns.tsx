import { CircleCheck, CircleDashed, CircleHelp, CircleX, OctagonX, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { Badge, type Tone } from "../ui/badge.tsx";
import { aboveRowLink, rowLinkLook, type Column } from "../ui/data-table-columns.ts";
import { Time } from "../ui/time.tsx";
import { wordsOfAction } from "./action-words.ts";
import { ActorName } from "./actor.tsx";
import type { Outcome } from "./search.ts";
import { outcomeWords, wordsOfReason, type AuditEvent } from "./words.ts";

const outcomes: Readonly<Record<Outcome, readonly [tone: Tone, icon: LucideIcon]>> = {
  success: ["neutral", CircleCheck],
  denied: ["danger", OctagonX],
  attempted: ["neutral", CircleDashed],
  failed: ["warn", CircleX],
  unknown: ["warn", CircleHelp],
};

/** How it ended, and below it why. What was simply done is calm. */
function OutcomeCell({ outcome, reason }: Pick<AuditEvent, "outcome" | "reason">): ReactNode {
  const [tone, Icon] = outcomes[outcome];
  return (
    <span className="grid max-w-56 min-w-24 justify-items-start gap-0.5 py-1 max-tablet:ml-auto max-tablet:justify-items-end">
      {outcome === "success" ? (
        <span className="inline-flex items-center gap-1.5">
          <Icon size={14} aria-hidden className="text-ok" />
          {outcomeWords[outcome]}
        </span>
      ) : (
        <Badge tone={tone} icon={Icon}>
          {outcomeWords[outcome]}
        </Badge>
      )}
      {reason !== null && (
        <span className={`text-small ${outcome === "denied" ? "text-danger" : "text-muted"}`}>
          {wordsOfReason(reason)}
        </span>
      )}
    </span>
  );
}

function SecretCell({ secretKey, version }: Pick<AuditEvent, "secretKey" | "version">): ReactNode {
  // On phones the line has a label.
  if (secretKey === null) return <span className="text-muted tablet:hidden">–</span>;
  return (
    <span className="flex max-w-52 min-w-0 gap-1.5 font-mono text-code max-tablet:ml-auto max-tablet:justify-end">
      <span translate="no" title={secretKey} className="truncate">
        {secretKey}
      </span>
      {version !== null && <span className="shrink-0 text-muted">v{version}</span>}
    </span>
  );
}

/** The subdomain of the company of an event; undefined for an event of the platform. */
export type CompanyOf = (event: AuditEvent) => string | undefined;

/** @param companyOf where the list is of several companies */
export function columnsFor(
  onOpen: (event: AuditEvent) => void,
  companyOf: CompanyOf | undefined,
): readonly Column<AuditEvent>[] {
  const company: Column<AuditEvent> = {
    id: "company",
    header: "Company",
    cell: (event) => {
      const name = companyOf?.(event);
      if (name === undefined) return <span className="text-muted">–</span>;
      return <span className="block max-w-40 truncate max-tablet:ml-auto">{name}</span>;
    },
  };
  return [
    {
      id: "time",
      header: "Time",
      cell: ({ occurredAt }) => (
        <span className={`${aboveRowLink} tabular-nums`}>
          <Time at={occurredAt} as="exact" />
        </span>
      ),
    },
    ...(companyOf === undefined ? [] : [company]),
    {
      id: "who",
      header: "Who",
      cell: ({ actorKind: kind, actorId: id, actorName: name }) => (
        <span className="block max-w-36 max-tablet:ml-auto">
          <ActorName actor={{ kind, id, name }} />
        </span>
      ),
    },
    {
      id: "what",
      header: "What",
      onPhone: "heading",
      cell: (event) => (
        <span className="block tablet:min-w-52">
          <button type="button" className={`text-left ${rowLinkLook}`} onClick={() => onOpen(event)}>
            {wordsOfAction(event.action)}
          </button>
          {event.count > 1 && <span className="ml-2 text-muted tabular-nums">× {event.count}</span>}
        </span>
      ),
    },
    { id: "secret", header: "Secret", cell: (event) => <SecretCell {...event} /> },
    { id: "outcome", header: "Outcome", cell: (event) => <OutcomeCell {...event} /> },
    {
      id: "address",
      header: "Address",
      cell: ({ address }) =>
        address !== null && (
          <span className="block min-w-[15ch] font-mono text-code break-all text-muted">{address}</span>
        ),
    },
  ];
}
