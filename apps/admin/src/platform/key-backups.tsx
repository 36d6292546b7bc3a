import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC } from "../api.ts";
import { Badge } from "../ui/badge.tsx";
import { Copy } from "../ui/copy.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Column } from "../ui/data-table-columns.ts";
import { Loaded } from "../ui/loaded.tsx";
import { Notice } from "../ui/notice.tsx";
import { Time, useNow } from "../ui/time.tsx";
import { warningOf, type KeyBackup, type MasterKey } from "./key-backup-warning.ts";
import { Section } from "./section.tsx";

type Check = KeyBackup["lastCheck"];

const columns: readonly Column<KeyBackup>[] = [
  {
    id: "made",
    header: "Made",
    cell: ({ createdAt }) => (
      <span className="font-medium">
        <Time at={createdAt} />
      </span>
    ),
    onPhone: "heading",
  },
  {
    id: "place",
    header: "Written to",
    cell: ({ place }) =>
      place === undefined ? (
        <span className="text-muted">Not by this system</span>
      ) : (
        <span className="font-mono text-code break-all">{place}</span>
      ),
  },
  { id: "check", header: "Last check", cell: ({ lastCheck }) => <LastCheck check={lastCheck} /> },
  {
    id: "fingerprint",
    header: "Fingerprint",
    align: "end",
    cell: ({ fingerprint }) => (
      <span className="inline-flex items-center">
        <code className="font-mono text-code">{fingerprint.replace(/^sha256:/, "").slice(0, 12)}…</code>
        <Copy text={fingerprint} label="Copy the fingerprint" />
      </span>
    ),
  },
];

function LastCheck({ check }: { readonly check: Check }): ReactNode {
  if (check === undefined) return <span className="text-muted">Never</span>;
  return (
    <span className="inline-flex flex-wrap items-center gap-x-2">
      {check.complete ? <Badge tone="ok">Every key</Badge> : <Badge tone="warn">Keys were missing</Badge>}
      <Time at={check.at} />
    </span>
  );
}

/** The backups of the keys that this database knows of, and whether one has to be made or checked. */
export function KeyBackups({ versions }: Pick<ApiAnswers["keys"]["status"], "versions">): ReactNode {
  const trpc = useTRPC();
  const query = useQuery(trpc.keys.backups.queryOptions(undefined, { refetchOnMount: "always" }));
  return (
    <Section
      title="Backups of the keys"
      hint="Those that were made or checked with this database. Whether their files still exist is not known here."
    >
      <Loaded query={query}>
        {(backups) => (
          <>
            <Warning backups={backups} versions={versions} />
            {backups.length > 0 && (
              <DataTable
                label="Backups of the keys"
                rows={backups}
                columns={columns}
                rowKey={({ fingerprint }) => fingerprint}
              />
            )}
          </>
        )}
      </Loaded>
    </Section>
  );
}

function Warning({
  backups,
  versions,
}: {
  readonly backups: readonly KeyBackup[];
  readonly versions: readonly MasterKey[];
}): ReactNode {
  const warning = warningOf(backups, versions, useNow(60_000));
  if (warning === undefined) return null;
  const { kind, title, text, command } = warning;
  return (
    <Notice kind={kind} title={title}>
      <p>{text}</p>
      <code className="block overflow-x-auto font-mono text-code">{command}</code>
    </Notice>
  );
}
