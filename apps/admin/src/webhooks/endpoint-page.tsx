import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { NotYoursPage } from "../frame/not-yours-page.tsx";
import { Page } from "../frame/page.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Notice } from "../ui/notice.tsx";
import { Deliveries } from "./deliveries.tsx";
import { EndpointActions } from "./endpoint-actions.tsx";
import { EndpointFacts } from "./endpoint-facts.tsx";
import type { MadeSecret } from "./making.ts";
import { useEndpointOwner } from "./place.ts";
import { ShownOnce } from "./shown-once.tsx";
import { EndpointBadge } from "./state-badge.tsx";
import { hindrance, nameOf, type Endpoint } from "./words.ts";

export function EndpointPage(): ReactNode {
  const { mayManage } = useEndpointOwner();
  return mayManage ? <FoundEndpoint /> : <NotYoursPage />;
}

/** An endpoint of others and one that does not exist look the same. */
function FoundEndpoint(): ReactNode {
  const { company } = useEndpointOwner();
  const { endpoint: id } = useParams({ strict: false });
  const trpc = useTRPC();
  const query = useQuery(trpc.webhooks.list.queryOptions({ company }));
  const found = query.data?.endpoints.find((each) => each.id === id);
  if (query.data === undefined) {
    return (
      <Page title="Webhook endpoint">
        <Loaded query={query}>{() => null}</Loaded>
      </Page>
    );
  }
  return found === undefined ? <NotYoursPage /> : <OneEndpoint key={found.id} endpoint={found} />;
}

function OneEndpoint({ endpoint }: { readonly endpoint: Endpoint }): ReactNode {
  const [rolled, setRolled] = useState<MadeSecret>();
  if (rolled !== undefined) return <ShownOnce made={rolled} onKept={() => setRolled(undefined)} />;
  const hinders = hindrance(endpoint);
  return (
    <Page
      title={nameOf(endpoint)}
      beside={<EndpointBadge state={endpoint.state} />}
      actions={<EndpointActions endpoint={endpoint} onRolled={setRolled} />}
    >
      {hinders !== undefined && (
        <Notice kind={endpoint.state === "paused" ? "info" : "warn"}>{hinders}</Notice>
      )}
      <EndpointFacts endpoint={endpoint} />
      <Deliveries endpoint={endpoint} />
    </Page>
  );
}
