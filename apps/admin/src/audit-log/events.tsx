import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { SearchX } from "lucide-react";
import { useMemo, useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import { EmptyState } from "../ui/empty-state.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Paged } from "../ui/paged.tsx";
import { SkeletonRows } from "../ui/skeleton.tsx";
import { actionsOf, isGroup } from "./action-words.ts";
import { columnsFor, type CompanyOf } from "./event-columns.tsx";
import { EventDetails } from "./event-details.tsx";
import { countOfFilters, noFilters, type AuditSearch } from "./search.ts";
import type { Span } from "./span.ts";
import type { AuditEvent } from "./words.ts";

/** An answer holds so many events, and costs an event of its own. */
const pageSize = 50;

interface AsksForEvents {
  /** Undefined: all of the platform. */
  readonly company: string | undefined;
  readonly span: Span;
  readonly search: AuditSearch;
}

/** The events that fit, the newest first, page by page. */
export function useEvents({ company, span, search }: AsksForEvents) {
  const trpc = useTRPC();
  const client = useTRPCClient();
  const { actor, action, secret, outcome, request } = search;
  const asked = {
    company,
    limit: pageSize,
    from: span.from,
    to: span.isOpen ? undefined : span.to,
    actors: actor === undefined ? undefined : [actor],
    actions: action === undefined ? undefined : isGroup(action) ? actionsOf(action) : [action],
    secretKeys: secret === undefined ? undefined : [secret],
    outcomes: outcome === undefined ? undefined : [outcome],
    requestId: request,
  };
  return useInfiniteQuery({
    queryKey: trpc.audit.list.infiniteQueryKey(asked),
    // Not tRPC's own: that sends a `direction` along, which the API does not take.
    queryFn: ({ pageParam, signal }) =>
      client.audit.list.query({ ...asked, ...(pageParam !== "" && { cursor: pageParam }) }, { signal }),
    initialPageParam: "",
    getNextPageParam: ({ cursor }) => cursor,
    placeholderData: keepPreviousData,
    gcTime: 0,
  });
}

interface EventsProps {
  readonly query: ReturnType<typeof useEvents>;
  /** Where the events are of several companies. The same function at each rendering. */
  readonly companyOf?: CompanyOf | undefined;
  readonly search: AuditSearch;
  readonly onSearch: (change: AuditSearch) => void;
}

/** The events as rows. A row opens all that the audit log knows of it. */
export function Events({ query, companyOf, search, onSearch }: EventsProps): ReactNode {
  const [opened, setOpened] = useState<AuditEvent>();
  const columns = useMemo(() => columnsFor(setOpened, companyOf), [companyOf]);
  return (
    <Loaded query={query} skeleton={<SkeletonRows rows={10} />}>
      {({ pages }) => (
        <Paged query={query}>
          <DataTable
            label="Events"
            rows={pages.flatMap(({ events }) => events)}
            columns={columns}
            rowKey={({ id }) => id}
            noMatch={<NoMatch search={search} onSearch={onSearch} mayBeOlder={query.hasNextPage} />}
          />
          <EventDetails
            event={opened}
            company={opened && companyOf?.(opened)}
            onClose={() => setOpened(undefined)}
            onSearch={onSearch}
          />
        </Paged>
      )}
    </Loaded>
  );
}

function NoMatch({
  search,
  onSearch,
  mayBeOlder,
}: Pick<EventsProps, "search" | "onSearch"> & { readonly mayBeOlder: boolean }): ReactNode {
  return (
    <EmptyState
      icon={SearchX}
      title={mayBeOlder ? "None among the newest 20,000 events" : "No event fits"}
      action={
        countOfFilters(search) > 0 && <Button onClick={() => onSearch(noFilters)}>Clear filters</Button>
      }
    >
      {mayBeOlder
        ? "Older events of this time have not been looked at yet."
        : "Nothing of this kind is in the audit log for the time that you chose."}
    </EmptyState>
  );
}
