import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Building2, Plus } from "lucide-react";
import type { ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { Page } from "../frame/page.tsx";
import { Badge } from "../ui/badge.tsx";
import { Button, buttonLook } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import { rowLinkLook, sortFromText, type Column } from "../ui/data-table-columns.ts";
import { EmptyState } from "../ui/empty-state.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Time } from "../ui/time.tsx";
import { SearchField } from "./search-field.tsx";
import { withSearch, withSort } from "./search-params.ts";
import { stateOf, storeWords, type Company } from "./words.ts";

const columns: readonly Column<Company>[] = [
  {
    id: "company",
    header: "Company",
    cell: ({ subdomain }) => (
      <Link
        to="/platform/companies/$subdomain"
        params={{ subdomain }}
        className={`font-medium break-all ${rowLinkLook}`}
      >
        {subdomain}
      </Link>
    ),
    sortBy: ({ subdomain }) => subdomain,
    text: ({ subdomain }) => subdomain,
    onPhone: "heading",
  },
  {
    id: "state",
    header: "State",
    cell: (company) => {
      const [word, tone] = stateOf(company);
      return <Badge tone={tone}>{word}</Badge>;
    },
    sortBy: (company) => stateOf(company)[0],
    text: (company) => stateOf(company)[0],
  },
  {
    id: "store",
    header: "Secrets live in",
    cell: ({ secretStore }) => <span className="whitespace-nowrap">{storeWords[secretStore]}</span>,
    sortBy: ({ secretStore }) => storeWords[secretStore],
    text: ({ secretStore }) => storeWords[secretStore],
  },
  {
    ...count("secrets", "Secrets"),
    cell: ({ secretStore, secrets }) =>
      secretStore === "infisical" ? (
        <span className="text-muted">Not counted</span>
      ) : (
        <span className="tabular-nums">{secrets.toLocaleString("en-GB")}</span>
      ),
  },
  count("members", "People"),
  count("apiKeys", "API keys"),
  {
    id: "key",
    header: "Company key",
    align: "end",
    cell: ({ key }) =>
      key === undefined ? (
        <span className="text-muted">None</span>
      ) : (
        <span className="whitespace-nowrap">
          {key.version} <span className="text-muted">·</span> <Time at={key.createdAt} />
        </span>
      ),
    sortBy: ({ key }) => key?.createdAt,
  },
];

function count(id: "secrets" | "members" | "apiKeys", header: string): Column<Company> {
  return {
    id,
    header,
    align: "end",
    cell: (company) => <span className="tabular-nums">{company[id].toLocaleString("en-GB")}</span>,
    sortBy: (company) => company[id],
  };
}

/** All companies of the platform. */
export function CompaniesPage(): ReactNode {
  const trpc = useTRPC();
  const query = useQuery(trpc.companies.list.queryOptions());
  const params = useSearch({ from: "/signed-in/platform/companies" });
  const navigate = useNavigate({ from: "/platform/companies" });
  const search = (q: string): void => void navigate({ search: withSearch(params, q), replace: true });
  const newCompany = (
    <Link to="/platform/companies/new" aria-keyshortcuts="n" className={buttonLook("primary")}>
      <Plus size={16} aria-hidden />
      New company
    </Link>
  );
  return (
    <Page
      title="Companies"
      actions={
        <>
          <SearchField label="Search companies" value={params.q ?? ""} onChange={search} />
          {newCompany}
        </>
      }
    >
      <Loaded query={query}>
        {(companies) =>
          companies.length === 0 ? (
            <EmptyState icon={Building2} title="No company yet" action={newCompany}>
              Each customer company has a place of its own for its secrets, under a key of its own.
            </EmptyState>
          ) : (
            <DataTable
              label="Companies"
              rows={companies}
              columns={columns}
              rowKey={({ id }) => id}
              search={params.q ?? ""}
              sort={sortFromText(params.sort, columns)}
              onSort={(sort) => void navigate({ search: withSort(params, sort), replace: true })}
              noMatch={
                <div className="flex flex-wrap items-center gap-3 text-muted">
                  No company matches “{params.q}”.
                  <Button onClick={() => search("")}>Clear the search</Button>
                </div>
              }
            />
          )
        }
      </Loaded>
    </Page>
  );
}
