import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { isUnfinished, type Run } from "../../frame/runs.ts";
import { DataTable } from "../../ui/data-table.tsx";
import { rowLinkLook, type Column } from "../../ui/data-table-columns.ts";
import { Loaded } from "../../ui/loaded.tsx";
import { SkeletonRows } from "../../ui/skeleton.tsx";
import { Time } from "../../ui/time.tsx";
import { RunActions } from "../run-actions.tsx";
import { RunState } from "../run-state.tsx";
import { Section } from "../section.tsx";

const columns: readonly Column<Run>[] = [
  { id: "work", header: "Migration", cell: (run) => <RunLink run={run} fillsRow />, onPhone: "heading" },
  { id: "state", header: "State", cell: (run) => <RunState run={run} /> },
  { id: "companies", header: "Companies", align: "end", cell: ({ done }) => done.toLocaleString("en-GB") },
  {
    id: "by",
    header: "Begun by",
    cell: ({ requestedBy }) => requestedBy.name ?? <span className="text-muted">Unknown</span>,
  },
  { id: "since", header: "Begun", align: "end", cell: ({ startedAt }) => <Time at={startedAt} /> },
  {
    id: "end",
    header: "Ended",
    align: "end",
    cell: ({ finishedAt }) => (finishedAt === undefined ? "–" : <Time at={finishedAt} />),
  },
];

/** Those that have not ended: they are running, waiting or paused. */
export function UnfinishedMigrations({ runs }: { readonly runs: readonly Run[] }): ReactNode {
  return runs.filter(isUnfinished).map((run) => (
    <article
      key={run.id}
      aria-label={run.title}
      className="grid gap-3 rounded-panel border border-line bg-surface px-3 py-3"
    >
      <h2 className="text-section">
        <RunLink run={run} />
      </h2>
      <RunState run={run} />
      <RunActions run={run} />
    </article>
  ));
}

interface EarlierProps {
  readonly query: {
    readonly data: { readonly runs: readonly Run[] } | undefined;
    readonly error: unknown;
    readonly refetch: () => unknown;
  };
}

/** The migrations of before, with what became of them. */
export function EarlierMigrations({ query }: EarlierProps): ReactNode {
  return (
    <Section title="Earlier migrations">
      <Loaded query={query} skeleton={<SkeletonRows rows={3} />}>
        {({ runs }) => {
          const ended = runs.filter((run) => !isUnfinished(run));
          if (ended.length === 0) return <p className="text-muted">None has ended yet.</p>;
          return (
            <DataTable label="Earlier migrations" rows={ended} columns={columns} rowKey={({ id }) => id} />
          );
        }}
      </Loaded>
    </Section>
  );
}

function RunLink({
  run: { id, title },
  fillsRow = false,
}: {
  readonly run: Run;
  readonly fillsRow?: boolean;
}): ReactNode {
  return (
    <Link
      to="/platform/migrations/$run"
      params={{ run: id }}
      className={fillsRow ? `font-medium ${rowLinkLook}` : "font-medium text-accent hover:underline"}
    >
      {title}
    </Link>
  );
}
