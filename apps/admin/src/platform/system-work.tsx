import type { ReactNode } from "react";
import { Badge } from "../ui/badge.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Column } from "../ui/data-table-columns.ts";
import { Notice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { Section } from "./section.tsx";
import type { Health } from "./system-words.ts";

type Task = NonNullable<Health["jobs"]>["tasks"][number];

const taskColumns: readonly Column<Task>[] = [
  {
    id: "task",
    header: "Job",
    cell: ({ task }) => <code className="font-mono text-code">{task}</code>,
    onPhone: "heading",
  },
  number("waiting", "Waiting"),
  number("running", "Running"),
  number("retrying", "Tried again"),
  {
    id: "dead",
    header: "Given up",
    align: "end",
    cell: ({ dead }) => (dead === 0 ? "0" : <Badge tone="danger">{dead}</Badge>),
  },
];

function number(id: "waiting" | "running" | "retrying", header: string): Column<Task> {
  return {
    id,
    header,
    align: "end",
    cell: (task) => <span className="tabular-nums">{task[id].toLocaleString("en-GB")}</span>,
  };
}

/** What runs in the background, and what has failed. */
export function Jobs({ jobs }: { readonly jobs: Health["jobs"] }): ReactNode {
  if (jobs === undefined) return <Untold title="Jobs" />;
  return (
    <Section
      title="Jobs"
      hint={jobs.workers === 0 ? undefined : `${jobs.workers} of the processes take jobs.`}
    >
      {jobs.workers === 0 && (
        <Notice kind="danger" title="No process takes jobs">
          Expiry, reminders, mails and rotations wait until a worker runs.
        </Notice>
      )}
      {jobs.tasks.length === 0 ? (
        <p className="text-muted">No job waits.</p>
      ) : (
        <DataTable label="Jobs" rows={jobs.tasks} columns={taskColumns} rowKey={({ task }) => task} />
      )}
    </Section>
  );
}

type Process = NonNullable<Health["processes"]>[number];

const processColumns: readonly Column<Process>[] = [
  {
    id: "process",
    header: "Process",
    cell: ({ id }) => <code className="font-mono text-code">{id.slice(0, 8)}</code>,
    onPhone: "heading",
  },
  { id: "started", header: "Started", align: "end", cell: ({ startedAt }) => <Time at={startedAt} /> },
  { id: "seen", header: "Last seen", align: "end", cell: ({ seenAt }) => <Time at={seenAt} as="exact" /> },
];

/** The processes that serve or work now. */
export function Processes({ processes }: { readonly processes: Health["processes"] }): ReactNode {
  if (processes === undefined) return <Untold title="Processes" />;
  return (
    <Section title="Processes" hint="APIs and workers that hold the keys.">
      <DataTable label="Processes" rows={processes} columns={processColumns} rowKey={({ id }) => id} />
    </Section>
  );
}

/** A part that the database would have to tell, and does not. */
export function Untold({ title }: { readonly title: string }): ReactNode {
  return (
    <Section title={title}>
      <p className="text-muted">Not known while the database does not answer.</p>
    </Section>
  );
}
