import { useTRPC } from "../api.ts";
import { type Told, useToldChange } from "../frame/confirmed-change.ts";
import type { Endpoint } from "./words.ts";

/** Of a dialog about one endpoint. */
export interface EndpointDialogProps {
  readonly endpoint: Endpoint;
  readonly onClose: () => void;
}

/** A change of endpoints or deliveries, after which they are asked for again. Its answer holds no secret. */
export function useEndpointChange<Input, Answer>(
  call: (input: Input) => Promise<Answer>,
  told: Told<Answer>,
) {
  const trpc = useTRPC();
  return useToldChange(call, {
    ...told,
    why: "Changing a webhook endpoint needs a recent sign-in.",
    affects: [trpc.webhooks.pathFilter()],
  });
}
