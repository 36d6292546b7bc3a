import { useQuery, useQueryClient } from "@tanstack/react-query";
import { CheckCheck } from "lucide-react";
import type { ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { Page } from "../frame/page.tsx";
import { Badge, type Tone } from "../ui/badge.tsx";
import { Button } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Column } from "../ui/data-table-columns.ts";
import { EmptyState } from "../ui/empty-state.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Time } from "../ui/time.tsx";
import { ApprovalActions } from "./approval-actions.tsx";
import { effectOf, titleOf, type Approval } from "./approval-words.ts";
import { Section } from "./section.tsx";

const states: Readonly<Record<Approval["state"], readonly [word: string, tone: Tone]>> = {
  waiting: ["Waiting", "warn"],
  given: ["Approved", "ok"],
  refused: ["Refused", "neutral"],
  used: ["Done", "ok"],
  expired: ["Expired", "neutral"],
};

const columns: readonly Column<Approval>[] = [
  {
    id: "what",
    header: "Request",
    cell: (approval) => (
      <span className="grid">
        <span className="font-medium">{titleOf(approval)}</span>
        <span className="text-small text-muted">{effectOf(approval)}</span>
      </span>
    ),
    onPhone: "heading",
  },
  {
    id: "state",
    header: "State",
    cell: ({ state }) => <Badge tone={states[state][1]}>{states[state][0]}</Badge>,
  },
  { id: "by", header: "Asked by", cell: ({ requestedBy }) => requestedBy.name },
  {
    id: "answered",
    header: "Answered by",
    cell: ({ givenBy, refusedBy }) =>
      refusedBy?.name ?? givenBy?.name ?? <span className="text-muted">–</span>,
  },
  { id: "asked", header: "Asked", align: "end", cell: ({ requestedAt }) => <Time at={requestedAt} /> },
];

/** What waits for the approval of another operator, and what became of earlier requests. */
export function ApprovalsPage(): ReactNode {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const query = useQuery(trpc.approvals.list.queryOptions(undefined, { refetchOnMount: "always" }));
  const refresh = (): void => void queryClient.invalidateQueries(trpc.approvals.list.pathFilter());
  return (
    <Page
      title="Approvals"
      actions={
        <Button busy={query.isFetching} onClick={refresh}>
          Look again
        </Button>
      }
    >
      <Loaded query={query}>
        {(approvals) => {
          const isOpen = ({ state }: Approval) => state === "waiting" || state === "given";
          const open = approvals.filter(isOpen);
          const past = approvals.filter((approval) => !isOpen(approval));
          return (
            <>
              {open.length === 0 && (
                <EmptyState icon={CheckCheck} title="Nothing waits for an approval">
                  What cannot be undone takes two operators: shredding a company, destroying a master key, and
                  an emergency rotation. A request holds for 24 hours.
                </EmptyState>
              )}
              {open.map((approval) => (
                <OpenRequest key={approval.id} approval={approval} />
              ))}
              {past.length > 0 && (
                <Section title="Earlier requests">
                  <DataTable label="Earlier requests" rows={past} columns={columns} rowKey={({ id }) => id} />
                </Section>
              )}
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function OpenRequest({ approval }: { readonly approval: Approval }): ReactNode {
  const { state, requestedBy, requestedAt, expiresAt, givenBy } = approval;
  const [word, tone] = states[state];
  return (
    <article
      aria-label={titleOf(approval)}
      className="grid gap-3 rounded-panel border border-line bg-surface px-3 py-3"
    >
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <h2 className="text-section font-medium">{titleOf(approval)}</h2>
        <Badge tone={tone}>{word}</Badge>
      </div>
      <p className="max-w-[72ch]">{effectOf(approval)}</p>
      <p className="text-small text-muted">
        Asked by {requestedBy.name} <Time at={requestedAt} />
        {givenBy !== undefined && `, approved by ${givenBy.name}`}. Ends <Time at={expiresAt} as="exact" />.
      </p>
      <ApprovalActions approval={approval} />
    </article>
  );
}
