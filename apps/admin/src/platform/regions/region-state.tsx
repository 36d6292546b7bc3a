import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTRPC } from "../../api.ts";
import { Badge } from "../../ui/badge.tsx";

interface RegionStateProps {
  readonly region: string;
}

/** What lies between this region and another one, in both directions, as far as this one sees it. */
export function RegionState({ region }: RegionStateProps): ReactNode {
  const trpc = useTRPC();
  const { data, isError } = useQuery(
    trpc.regions.status.queryOptions(undefined, { refetchOnMount: "always" }),
  );
  const other = data?.others.find((each) => each.region === region);
  if (isError) return <span className="text-muted">Not known now</span>;
  if (other === undefined) return null;
  const { sends, takes } = other;
  return (
    <ul className="grid gap-1">
      <li>
        Sent: {copies(sends.copies)} <Faults of={sends.faults} />
      </li>
      <li>
        Received: {copies(takes.copies)}
        {takes.ageSeconds !== undefined && `, ${Math.round(takes.ageSeconds)} s old`}{" "}
        <Faults of={takes.faults} />
      </li>
    </ul>
  );
}

function Faults({ of }: { readonly of: readonly string[] }): ReactNode {
  if (of.length === 0) return <Badge tone="ok">In order</Badge>;
  return of.map((fault) => (
    <Badge key={fault} tone="danger">
      {fault.replaceAll("-", " ")}
    </Badge>
  ));
}

function copies(count: number): string {
  return count === 1 ? "1 copy" : `${count.toLocaleString("en-GB")} copies`;
}
