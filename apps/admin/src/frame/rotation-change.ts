import { useTRPC } from "../api.ts";
import { type Told, useToldChange } from "./confirmed-change.ts";

/** A change of policies or runs, after which they are asked for again. Neither its input nor its answer holds a value. */
export function useRotationChange<Input, Answer>(
  call: (input: Input) => Promise<Answer>,
  told: Told<Answer>,
) {
  const trpc = useTRPC();
  return useToldChange(call, {
    ...told,
    why: "Changing a rotation needs a recent sign-in.",
    // The list says of each secret how it is rotated.
    affects: [trpc.rotation.pathFilter(), trpc.runs.pathFilter(), trpc.secrets.list.pathFilter()],
  });
}
