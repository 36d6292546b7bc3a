import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { Inbox } from "lucide-react";
import { useMemo, useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import { EmptyState } from "../ui/empty-state.tsx";
import { Select } from "../ui/field.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Paged } from "../ui/paged.tsx";
import { columnsWith } from "./delivery-columns.tsx";
import { DeliveryDetails } from "./delivery-details.tsx";
import { useEndpointOwner } from "./place.ts";
import { ReplayButton } from "./replay-button.tsx";
import { deliveryStates, type Delivery, type DeliveryState, type Endpoint } from "./words.ts";

/** An answer holds so many, and costs an event of the audit log. */
const pageSize = 50;

const states = (Object.keys(deliveryStates) as readonly string[]).filter(isDeliveryState);
const filters = [
  { value: "", label: "All" },
  ...states.map((value) => ({ value, label: deliveryStates[value][0] })),
];

function isDeliveryState(text: string): text is DeliveryState {
  return Object.hasOwn(deliveryStates, text);
}

function useDeliveries(endpoint: string, state: DeliveryState | undefined) {
  const { company } = useEndpointOwner();
  const trpc = useTRPC();
  const client = useTRPCClient();
  const asked = { company, endpoint, limit: pageSize, ...(state !== undefined && { state }) };
  return useInfiniteQuery({
    queryKey: [...trpc.webhooks.deliveries.queryKey(asked), "pages"],
    queryFn: ({ pageParam, signal }) =>
      client.webhooks.deliveries.query(
        { ...asked, ...(pageParam !== "" && { before: pageParam }) },
        { signal },
      ),
    initialPageParam: "",
    getNextPageParam: ({ deliveries }) => (deliveries.length < pageSize ? undefined : deliveries.at(-1)?.id),
    placeholderData: keepPreviousData,
    gcTime: 0,
  });
}

/** What was sent to an endpoint, as far as it is kept, and what waits, the newest first. A row opens its body and attempts. */
export function Deliveries({ endpoint }: { readonly endpoint: Endpoint }): ReactNode {
  const [state, setState] = useState<DeliveryState>();
  const [opened, setOpened] = useState<Delivery>();
  const query = useDeliveries(endpoint.id, state);
  const columns = useMemo(() => columnsWith(setOpened), []);
  return (
    <section aria-label="Deliveries" className="grid grid-cols-[minmax(0,1fr)] gap-3 pt-3">
      <div className="flex flex-wrap items-end justify-between gap-3">
        <h2 className="text-section font-medium">Deliveries</h2>
        <div className="flex flex-wrap items-end gap-2">
          <Select
            label="State"
            value={state ?? ""}
            onChange={({ target: { value } }) => setState(isDeliveryState(value) ? value : undefined)}
            options={filters}
          />
          <ReplayButton endpoint={endpoint} />
        </div>
      </div>
      <Loaded query={query}>
        {({ pages }) => {
          const deliveries = pages.flatMap((page) => page.deliveries);
          return deliveries.length === 0 ? (
            <EmptyState
              icon={Inbox}
              title={state === undefined ? "Nothing was sent yet" : "No delivery is in this state"}
              action={state !== undefined && <Button onClick={() => setState(undefined)}>Show all</Button>}
            >
              What is sent to the endpoint is listed here for some time, with each attempt.
            </EmptyState>
          ) : (
            <Paged query={query}>
              <DataTable label="Deliveries" rows={deliveries} columns={columns} rowKey={({ id }) => id} />
            </Paged>
          );
        }}
      </Loaded>
      {opened !== undefined && <DeliveryDetails delivery={opened} onClose={() => setOpened(undefined)} />}
    </section>
  );
}
