import { useQueryClient } from "@tanstack/react-query";
import { useTRPC } from "../api.ts";
import { useToast } from "../ui/toast.tsx";
import { useConfirmedChange } from "./confirmed-change.ts";

interface Done<Answer> {
  /** What the toast says. Undefined: there is none. */
  readonly say?: string | undefined;
  readonly onDone: (answer: Answer) => void;
}

/** A change of policies or runs, after which they are asked for again. Neither its input nor its answer holds a value. */
export function useRotationChange<Input, Answer>(
  call: (input: Input) => Promise<Answer>,
  { say, onDone }: Done<Answer>,
) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const toast = useToast();
  return useConfirmedChange(call, {
    why: "Changing a rotation needs a recent sign-in.",
    onDone: async (answer) => {
      onDone(answer);
      if (say !== undefined) toast(say);
      await Promise.all([
        queryClient.invalidateQueries(trpc.rotation.pathFilter()),
        queryClient.invalidateQueries(trpc.runs.pathFilter()),
        // The list says of each secret how it is rotated.
        queryClient.invalidateQueries(trpc.secrets.list.pathFilter()),
      ]);
    },
  });
}
