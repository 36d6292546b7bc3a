import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { History, RefreshCcwDot } from "lucide-react";
import { useMemo, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { NotYoursPage } from "../frame/not-yours-page.tsx";
import { Page } from "../frame/page.tsx";
import { useRotationFollow } from "../frame/rotation-follow.ts";
import type { RotationRun } from "../frame/rotation-words.ts";
import { Button, buttonLook } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import { EmptyState } from "../ui/empty-state.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Paged } from "../ui/paged.tsx";
import { runColumns } from "./run-columns.tsx";
import { RunFilters } from "./run-filters.tsx";
import type { RunsSearch } from "./search.ts";

/** An answer holds so many, and costs an event of the audit log. */
const pageSize = 50;

export function RotationRunsPage(): ReactNode {
  const { can } = useCompany();
  return can("describe") ? <Runs /> : <NotYoursPage />;
}

/** What of the list is asked for. */
function askedBy({ secret, state }: RunsSearch) {
  return {
    ...(secret !== undefined && { secretKey: secret }),
    ...(state === "unfinished" && { unfinished: true }),
    ...(state !== undefined && state !== "unfinished" && { outcome: state }),
  };
}

function useRuns(search: RunsSearch) {
  const { subdomain: company } = useCompany();
  const trpc = useTRPC();
  const client = useTRPCClient();
  const asked = { company, limit: pageSize, ...askedBy(search) };
  return useInfiniteQuery({
    queryKey: [...trpc.rotation.runs.queryKey(asked), "pages"],
    queryFn: ({ pageParam, signal }) =>
      client.rotation.runs.query({ ...asked, ...(pageParam !== "" && { before: pageParam }) }, { signal }),
    initialPageParam: "",
    getNextPageParam: ({ runs }) => (runs.length < pageSize ? undefined : runs.at(-1)?.id),
    placeholderData: keepPreviousData,
    gcTime: 0,
  });
}

/** The rotations of a company, the newest first. */
function Runs(): ReactNode {
  const { subdomain: company } = useCompany();
  const search = useSearch({ from: "/signed-in/c/$company/rotation/runs" });
  const navigate = useNavigate({ from: "/c/$company/rotation/runs" });
  const query = useRuns(search);
  const runs = useMemo(() => query.data?.pages.flatMap((page) => page.runs) ?? [], [query.data]);
  useRotationFollow(company, runs);
  return (
    <Page
      title="Rotation runs"
      actions={
        <Link to="/c/$company/rotation" params={{ company }} className={buttonLook()}>
          <RefreshCcwDot size={16} aria-hidden />
          Policies
        </Link>
      }
    >
      <RunFilters
        search={search}
        onChange={(next) => void navigate({ search: next, replace: true, resetScroll: false })}
      />
      <Loaded query={query}>
        {() => (
          <Paged query={query}>
            <RunTable
              company={company}
              runs={runs}
              isFiltered={Object.keys(search).length > 0}
              onShowAll={() => void navigate({ search: {}, replace: true })}
            />
          </Paged>
        )}
      </Loaded>
    </Page>
  );
}

interface RunTableProps {
  readonly company: string;
  readonly runs: readonly RotationRun[];
  readonly isFiltered: boolean;
  readonly onShowAll: () => void;
}

function RunTable({ company, runs, isFiltered, onShowAll }: RunTableProps): ReactNode {
  const columns = useMemo(() => runColumns(company), [company]);
  return runs.length === 0 ? (
    <EmptyState
      icon={History}
      title={isFiltered ? "No run fits" : "Nothing was rotated yet"}
      action={isFiltered && <Button onClick={onShowAll}>Show all</Button>}
    >
      Each rotation of a secret is a run, which stays here with what came of it.
    </EmptyState>
  ) : (
    <DataTable label="Rotation runs" rows={runs} columns={columns} rowKey={({ id }) => id} />
  );
}
