import { useQueries } from "@tanstack/react-query";
import { useMemo, useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { Page } from "../frame/page.tsx";
import { Badge } from "../ui/badge.tsx";
import { Button } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Column } from "../ui/data-table-columns.ts";
import { Loaded } from "../ui/loaded.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { PersonDialog, type PersonAct } from "./person-dialog.tsx";
import { PersonMenu, type User } from "./person-menu.tsx";
import { SearchField } from "./search-field.tsx";

const columns: readonly Column<User>[] = [
  {
    id: "person",
    header: "Person",
    cell: ({ name, email }) => (
      <span className="grid">
        <span className="font-medium">{name}</span>
        <span className="text-small break-all text-muted">{email}</span>
      </span>
    ),
    text: ({ name, email }) => `${name} ${email}`,
    onPhone: "heading",
  },
  {
    id: "status",
    header: "State",
    cell: ({ status }) =>
      status === "disabled" ? <Badge tone="danger">Disabled</Badge> : <Badge>Active</Badge>,
  },
  {
    id: "companies",
    header: "Companies",
    align: "end",
    cell: ({ companies }) => <span className="tabular-nums">{companies}</span>,
  },
  {
    id: "factor",
    header: "Second factor",
    cell: ({ secondFactor }) => {
      if (secondFactor === undefined) return <span className="text-muted">Not known</span>;
      return secondFactor ? "Yes" : <span className="text-muted">None</span>;
    },
  },
  {
    id: "signed-in",
    header: "Last sign-in",
    align: "end",
    cell: ({ lastSignInAt }) =>
      lastSignInAt === undefined ? <span className="text-muted">Never</span> : <Time at={lastSignInAt} />,
  },
];

const atOnce = 200;

function columnsWith(onAct: (act: PersonAct) => void): readonly Column<User>[] {
  return [
    ...columns,
    {
      id: "menu",
      header: "Actions",
      align: "end",
      cell: (user) => <PersonMenu user={user} onAct={(kind) => onAct({ kind, user })} />,
      onPhone: "corner",
    },
  ];
}

/** People, wherever they belong: to help one who has lost a factor, or to shut one out. */
export function PeoplePage(): ReactNode {
  const trpc = useTRPC();
  const [starts, setStarts] = useState<readonly (string | undefined)[]>([undefined]);
  const pages = useQueries({
    queries: starts.map((after) =>
      trpc.users.list.queryOptions(
        { limit: atOnce, ...(after !== undefined && { after }) },
        { refetchOnMount: "always" },
      ),
    ),
  });
  const [search, setSearch] = useState("");
  const [act, setAct] = useState<PersonAct>();
  const all = useMemo(() => columnsWith(setAct), []);
  const [first] = pages;
  const last = pages.at(-1);
  const next = last?.data?.next;
  return (
    <Page title="People" actions={<SearchField label="Search people" value={search} onChange={setSearch} />}>
      {first !== undefined && (
        <Loaded query={first}>
          {() => (
            <DataTable
              label="People"
              rows={pages.flatMap(({ data }) => data?.users ?? [])}
              columns={all}
              rowKey={({ id }) => id}
              search={search}
              noMatch={
                <p className="text-muted">
                  No {next === undefined ? "person" : "person of those shown"} matches “{search}”.
                </p>
              }
            />
          )}
        </Loaded>
      )}
      {last !== first && last?.error != null && (
        <ErrorNotice error={last.error} onRetry={() => void last.refetch()} />
      )}
      {next !== undefined && (
        <div>
          <Button busy={last?.isFetching === true} onClick={() => setStarts([...starts, next])}>
            Show {atOnce} more
          </Button>
        </div>
      )}
      {act !== undefined && <PersonDialog act={act} onClose={() => setAct(undefined)} />}
    </Page>
  );
}
