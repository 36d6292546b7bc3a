import { useQuery } from "@tanstack/react-query";
import { Globe, Plus } from "lucide-react";
import { useMemo, useState, type ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC } from "../../api.ts";
import { Page } from "../../frame/page.tsx";
import { Button } from "../../ui/button.tsx";
import { DataTable } from "../../ui/data-table.tsx";
import type { Column } from "../../ui/data-table-columns.ts";
import { EmptyState } from "../../ui/empty-state.tsx";
import { Loaded } from "../../ui/loaded.tsx";
import { Time } from "../../ui/time.tsx";
import { Section } from "../section.tsx";
import { AddRegion } from "./add-region.tsx";
import { RegionState } from "./region-state.tsx";
import { RemoveRegion } from "./remove-region.tsx";
import { ThisRegion } from "./this-region.tsx";
import { VerifyRegions } from "./verify-regions.tsx";

type Region = ApiAnswers["regions"]["list"][number];

const columns: readonly Column<Region>[] = [
  {
    id: "region",
    header: "Region",
    cell: ({ region }) => <span className="font-medium">{region}</span>,
    onPhone: "heading",
  },
  { id: "address", header: "Address", cell: ({ address }) => <span className="break-all">{address}</span> },
  {
    id: "companies",
    header: "Companies copied there",
    align: "end",
    cell: ({ companies }) => <span className="tabular-nums">{companies.toLocaleString("en-GB")}</span>,
  },
  { id: "state", header: "Copies", cell: ({ region }) => <RegionState region={region} /> },
  {
    id: "fingerprint",
    header: "Fingerprint",
    cell: ({ fingerprint }) => <code className="font-mono text-code">{fingerprint}</code>,
  },
  { id: "added", header: "Added", align: "end", cell: ({ createdAt }) => <Time at={createdAt} /> },
];

function columnsWith(onRemove: (region: Region) => void): readonly Column<Region>[] {
  return [
    ...columns,
    {
      id: "actions",
      header: "Actions",
      align: "end",
      cell: (region) => (
        <Button aria-label={`Remove ${region.region}`} onClick={() => onRemove(region)}>
          Remove…
        </Button>
      ),
    },
  ];
}

/** The regions that companies can be copied to, and what an operator of another one has to know of this one. */
export function RegionsPage(): ReactNode {
  const trpc = useTRPC();
  const query = useQuery(trpc.regions.list.queryOptions(undefined, { refetchOnMount: "always" }));
  const [isAdding, setAdding] = useState(false);
  const [removed, setRemoved] = useState<string>();
  const all = useMemo(() => columnsWith(({ region }) => setRemoved(region)), []);
  const add = (
    <Button kind="primary" icon={Plus} onClick={() => setAdding(true)}>
      Add a region
    </Button>
  );
  return (
    <Page title="Regions" actions={add}>
      <ThisRegion />
      <Section title="Other regions" action={<VerifyRegions />}>
        <Loaded query={query}>
          {(regions) =>
            regions.length === 0 ? (
              <EmptyState icon={Globe} title="No other region is known here">
                An operator of each region adds the other one. Companies can be copied there then, and nothing
                is copied before one is allowed to be.
              </EmptyState>
            ) : (
              <DataTable label="Other regions" rows={regions} columns={all} rowKey={({ region }) => region} />
            )
          }
        </Loaded>
      </Section>
      <AddRegion open={isAdding} onClose={() => setAdding(false)} />
      <RemoveRegion region={removed} onClose={() => setRemoved(undefined)} />
    </Page>
  );
}
