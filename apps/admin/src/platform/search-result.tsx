import { Link } from "@tanstack/react-router";
import { SearchX } from "lucide-react";
import type { ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { Badge } from "../ui/badge.tsx";
import { DataTable } from "../ui/data-table.tsx";
import { rowLinkLook, type Column } from "../ui/data-table-columns.ts";
import { EmptyState } from "../ui/empty-state.tsx";
import { Notice } from "../ui/notice.tsx";
import { SecretName } from "../ui/secret-name.tsx";
import { Section } from "./section.tsx";
import { countOf } from "./words.ts";

type Answer = ApiAnswers["secrets"]["search"];
type Match = Answer["matches"][number];

const columns: readonly Column<Match>[] = [
  {
    id: "company",
    header: "Company",
    cell: ({ company }) => (
      <Link
        to="/platform/companies/$subdomain"
        params={{ subdomain: company }}
        className={`font-medium break-all ${rowLinkLook}`}
      >
        {company}
      </Link>
    ),
    onPhone: "heading",
  },
  { id: "secret", header: "Secret", cell: ({ secretKey }) => <SecretName secretKey={secretKey} /> },
  {
    id: "version",
    header: "Version",
    align: "end",
    cell: ({ version }) => <span className="tabular-nums">{version}</span>,
  },
  {
    id: "state",
    header: "State",
    cell: ({ current, removed }) => {
      if (removed) return <Badge tone="warn">Removed, can be restored</Badge>;
      return current ? <Badge tone="accent">Current version</Badge> : <Badge>Earlier version</Badge>;
    },
  },
];

/** What a search by value found, and where it could not look. It says nothing of the value. */
export function SearchResult({ answer }: { readonly answer: Answer }): ReactNode {
  const { matches, complete, searched } = answer;
  const isFound = matches.length > 0;
  const companies = new Set(matches.map(({ company }) => company)).size;
  return (
    <section
      aria-label="Result"
      // It is read aloud, and the next key begins there.
      ref={(section) => section?.focus()}
      tabIndex={-1}
      className="grid grid-cols-[minmax(0,1fr)] gap-4 outline-none"
    >
      {isFound ? (
        <Section
          title={`Found ${countOf(matches.length, "time")}`}
          hint={`In ${countOf(companies, "company", "companies")}; ${countOf(searched, "was", "were")} searched. A leaked value is revoked at its provider, and replaced by the company’s people.`}
        >
          <DataTable
            label="Secrets with this value"
            rows={matches}
            columns={columns}
            rowKey={({ company, secretKey, version }) => `${company} ${secretKey} ${version}`}
          />
          {!complete && (
            <Notice kind="warn">There are more: a search ends at {matches.length} matches.</Notice>
          )}
        </Section>
      ) : (
        <EmptyState icon={SearchX} title="Nothing has this value">
          {searched === 0
            ? "No company was searched."
            : `${countOf(searched, "company was", "companies were")} searched: no secret has it, neither now nor in an earlier version.`}
        </EmptyState>
      )}
      <NotLooked answer={answer} />
    </section>
  );
}

/** Where the value may be all the same. */
function NotLooked({ answer: { partly, notSearched } }: { readonly answer: Answer }): ReactNode {
  const gaps: readonly (readonly [number: number, why: string])[] = [
    [partly, "searched in the database alone: values that only Infisical has were not"],
    [notSearched.inInfisical, "not searched: values in Infisical"],
    [notSearched.suspended, "not searched: suspended"],
    [notSearched.keysUnavailable, "not searched: keys not available"],
    [notSearched.keysDestroyed, "not searched: keys destroyed, no value left"],
  ];
  const told = gaps.filter(([number]) => number > 0);
  if (told.length === 0) return null;
  return (
    <Notice title="Not everything was looked at">
      <ul className="list-disc pl-4">
        {told.map(([number, why]) => (
          <li key={why}>
            {countOf(number, "company", "companies")} – {why}
          </li>
        ))}
      </ul>
    </Notice>
  );
}
