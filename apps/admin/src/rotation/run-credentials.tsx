import type { ReactNode } from "react";
import { Badge, type Tone } from "../ui/badge.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Column } from "../ui/data-table-columns.ts";
import { Time } from "../ui/time.tsx";
import type { RunCredential } from "./run-details.ts";

const states: Readonly<Record<RunCredential["state"], readonly [word: string, tone: Tone]>> = {
  wanted: ["Asked for", "accent"],
  live: ["At the provider", "ok"],
  retiring: ["Being ended", "accent"],
  retired: ["Ended", "neutral"],
  orphan: ["May be left there", "danger"],
};

/** What a run caused at the provider, by the names that it has there. */
export function RunCredentials({
  credentials,
}: {
  readonly credentials: readonly RunCredential[];
}): ReactNode {
  if (credentials.length === 0) return null;
  return (
    <section aria-label="Credentials" className="grid grid-cols-[minmax(0,1fr)] gap-2">
      <h2 className="text-section font-medium">At the provider</h2>
      <DataTable label="Credentials" rows={credentials} columns={columns} rowKey={({ marker }) => marker} />
    </section>
  );
}

const columns: readonly Column<RunCredential>[] = [
  {
    id: "marker",
    header: "Its name there",
    cell: ({ marker }) => (
      <span translate="no" className="font-mono text-code break-all">
        {marker}
      </span>
    ),
    onPhone: "heading",
  },
  {
    id: "ref",
    header: "Its id there",
    cell: ({ ref }) =>
      ref === undefined ? (
        <span className="text-muted">Not known</span>
      ) : (
        <span translate="no" className="font-mono text-code break-all">
          {ref}
        </span>
      ),
  },
  {
    id: "version",
    header: "Version",
    cell: ({ version }) => version ?? <span className="text-muted">–</span>,
  },
  {
    id: "state",
    header: "State",
    cell: ({ state }) => {
      const [word, tone] = states[state];
      return <Badge tone={tone}>{word}</Badge>;
    },
  },
  { id: "made", header: "Made", align: "end", cell: ({ createdAt }) => <Time at={createdAt} as="exact" /> },
];
