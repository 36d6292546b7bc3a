import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { rowLinkLook, type Column } from "../ui/data-table-columns.ts";
import { Time } from "../ui/time.tsx";
import { linksFor } from "./place.ts";
import { EndpointBadge } from "./state-badge.tsx";
import { wordsOfType } from "./type-words.ts";
import { nameOf, type Endpoint } from "./words.ts";

/** @param company whose endpoints; undefined: the platform's */
export function columnsFor(company: string | undefined): readonly Column<Endpoint>[] {
  const { linkTo } = linksFor(company);
  return [
    {
      id: "endpoint",
      header: "Endpoint",
      cell: (endpoint) => (
        <span className="grid max-w-80 min-w-0 max-tablet:max-w-none">
          <Link {...linkTo(endpoint.id)} className={`truncate font-medium hover:underline ${rowLinkLook}`}>
            {nameOf(endpoint)}
          </Link>
          <span translate="no" title={endpoint.url} className="truncate font-mono text-small text-muted">
            {endpoint.url}
          </span>
        </span>
      ),
      sortBy: (endpoint) => nameOf(endpoint).toLowerCase(),
      onPhone: "heading",
    },
    { id: "state", header: "State", cell: (endpoint) => <EndpointBadge state={endpoint.state} /> },
    { id: "types", header: "Notifications", cell: (endpoint) => <TypesCell types={endpoint.types} /> },
    {
      id: "waiting",
      header: "Waiting",
      align: "end",
      cell: ({ waiting }) => <Count of={waiting} />,
      sortBy: ({ waiting }) => waiting,
    },
    {
      id: "dead",
      header: "Given up",
      align: "end",
      cell: ({ dead }) => <Count of={dead} look="font-medium text-danger" />,
      sortBy: ({ dead }) => dead,
    },
    {
      id: "failing",
      header: "Failing since",
      align: "end",
      cell: ({ failingSince }) =>
        failingSince === undefined ? <span className="text-muted">–</span> : <Time at={failingSince} />,
      sortBy: ({ failingSince }) => failingSince,
    },
  ];
}

function Count({ of, look = "" }: { readonly of: number; readonly look?: string }): ReactNode {
  return <span className={`tabular-nums ${of === 0 ? "text-muted" : look}`}>{of}</span>;
}

function TypesCell({ types }: Pick<Endpoint, "types">): ReactNode {
  if (types === undefined) return "All";
  const [first, ...others] = types;
  const all = types.map(wordsOfType).join(", ");
  return (
    <span className="block max-w-56 truncate max-tablet:max-w-none" title={all}>
      {first === undefined ? "None" : wordsOfType(first)}
      {others.length > 0 && <span className="text-muted"> and {others.length} more</span>}
    </span>
  );
}
