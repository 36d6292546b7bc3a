import { useQueryClient } from "@tanstack/react-query";
import { useTRPC } from "../api.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { useToast } from "../ui/toast.tsx";
import type { Endpoint } from "./words.ts";

/** Of a dialog about one endpoint. */
export interface EndpointDialogProps {
  readonly endpoint: Endpoint;
  readonly onClose: () => void;
}

interface Done<Answer> {
  /** What the toast says. */
  readonly say: (answer: Answer) => string;
  readonly onDone: () => void;
}

/** A change of endpoints or deliveries, after which they are asked for again. Its answer holds no secret. */
export function useEndpointChange<Input, Answer>(
  call: (input: Input) => Promise<Answer>,
  { say, onDone }: Done<Answer>,
) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const toast = useToast();
  return useConfirmedChange(call, {
    why: "Changing a webhook endpoint needs a recent sign-in.",
    onDone: async (answer) => {
      onDone();
      toast(say(answer));
      await queryClient.invalidateQueries(trpc.webhooks.pathFilter());
    },
  });
}
