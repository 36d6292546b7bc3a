import type { ReactNode } from "react";
import { Badge } from "../ui/badge.tsx";
import { deliveryStates, endpointStates, type DeliveryState, type Endpoint } from "./words.ts";

export function EndpointBadge({ state }: Pick<Endpoint, "state">): ReactNode {
  const [word, tone] = endpointStates[state];
  return <Badge tone={tone}>{word}</Badge>;
}

export function DeliveryBadge({ state }: { readonly state: DeliveryState }): ReactNode {
  const [word, tone] = deliveryStates[state];
  return <Badge tone={tone}>{word}</Badge>;
}
