import { Link } from "@tanstack/react-router";
import { ListChecks } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Page } from "../frame/page.tsx";
import { isUnfinished, useRuns, type Run } from "../frame/runs.ts";
import { Button } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Column } from "../ui/data-table-columns.ts";
import { EmptyState } from "../ui/empty-state.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Time } from "../ui/time.tsx";
import { RunActions } from "./run-actions.tsx";
import { RunState } from "./run-state.tsx";
import { Section } from "./section.tsx";

const finishedAtOnce = 50;
const most = 200;

const columns: readonly Column<Run>[] = [
  { id: "work", header: "Work", cell: (run) => <RunTitle run={run} />, onPhone: "heading" },
  {
    id: "state",
    header: "State",
    cell: (run) => <RunState run={run} />,
  },
  { id: "by", header: "Begun by", cell: ({ requestedBy }) => requesterOf(requestedBy) },
  { id: "since", header: "Begun", align: "end", cell: ({ startedAt }) => <Time at={startedAt} /> },
  {
    id: "end",
    header: "Ended",
    align: "end",
    cell: ({ finishedAt }) =>
      finishedAt === undefined ? <span className="text-muted">–</span> : <Time at={finishedAt} />,
  },
];

const kinds: Readonly<Record<string, string>> = {
  operator: "An operator",
  user: "A person",
  service: "An API key",
  job: "A job",
};

function requesterOf({ name, kind }: Run["requestedBy"]): string {
  return name ?? kinds[kind] ?? kind;
}

/** Work that takes minutes or hours, in a job: rotations of keys, and imports. */
export function RunsPage(): ReactNode {
  const [limit, setLimit] = useState(finishedAtOnce);
  const query = useRuns({ limit });
  return (
    <Page title="Long work">
      <Loaded query={query}>
        {({ runs }) => {
          const ended = runs.filter((run) => !isUnfinished(run));
          return (
            <>
              {runs.length === ended.length && (
                <EmptyState icon={ListChecks} title="No long work goes on">
                  Rotations of keys, imports and migrations are here while they go on. They need no page that
                  is open.
                </EmptyState>
              )}
              {runs.filter(isUnfinished).map((run) => (
                <UnfinishedRun key={run.id} run={run} />
              ))}
              {ended.length > 0 && (
                <Section title="Earlier work">
                  <DataTable label="Earlier work" rows={ended} columns={columns} rowKey={({ id }) => id} />
                  {runs.length === limit && limit < most && (
                    <div>
                      <Button onClick={() => setLimit(most)}>Show older</Button>
                    </div>
                  )}
                </Section>
              )}
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function RunTitle({ run: { id, kind, title, company, keyVersion } }: { readonly run: Run }): ReactNode {
  return (
    <span className="grid">
      {kind === "migrate" ? (
        <Link
          to="/platform/migrations/$run"
          params={{ run: id }}
          className="justify-self-start font-medium text-accent hover:underline"
        >
          {title}
        </Link>
      ) : (
        <span className="font-medium">
          {title}
          {keyVersion !== undefined && ` to version ${keyVersion}`}
        </span>
      )}
      {company !== undefined && (
        <Link
          to="/platform/companies/$subdomain"
          params={{ subdomain: company.subdomain }}
          className="justify-self-start break-all text-accent hover:underline"
        >
          {company.subdomain}
        </Link>
      )}
    </span>
  );
}

function UnfinishedRun({ run }: { readonly run: Run }): ReactNode {
  const { title, startedAt, requestedBy } = run;
  return (
    <article aria-label={title} className="grid gap-3 rounded-panel border border-line bg-surface px-3 py-3">
      <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-2">
        <h2 className="text-section">
          <RunTitle run={run} />
        </h2>
        <p className="text-small text-muted">
          Since <Time at={startedAt} />
          {requestedBy.name !== undefined && `, by ${requestedBy.name}`}
        </p>
      </div>
      <RunState run={run} />
      <RunActions run={run} />
    </article>
  );
}
