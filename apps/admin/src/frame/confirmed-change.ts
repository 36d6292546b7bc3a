import { type QueryFilters, useMutation, useQueryClient } from "@tanstack/react-query";
import { useToast } from "../ui/toast.tsx";
import { ConfirmationDeclined, useConfirmation } from "./confirmation.tsx";

interface ConfirmedChange<Input> {
  /** The same function at each rendering. */
  readonly run: (input: Input) => void;
  readonly isBusy: boolean;
  /** Null also after the person closed the dialog that asks who they are. */
  readonly error: Error | null;
  /** Takes back the error. */
  readonly reset: () => void;
}

interface Options<Input, Answer> {
  /** Why it needs a recent sign-in, in a sentence: "Inviting needs a recent sign-in." */
  readonly why: string;
  /** After the change; it is busy until this is over, too. */
  readonly onDone: (answer: Answer, input: Input) => unknown;
}

/** A change that may need a recent sign-in. Neither what it is given nor its answer may hold a value or an API key. */
export function useConfirmedChange<Input, Answer>(
  call: (input: Input) => Promise<Answer>,
  { why, onDone }: Options<Input, Answer>,
): ConfirmedChange<Input> {
  const withConfirmation = useConfirmation();
  const { mutate, isPending, error, reset } = useMutation({
    mutationFn: (input: Input) => withConfirmation(() => call(input), why),
    onSuccess: onDone,
  });
  return {
    run: mutate,
    isBusy: isPending,
    error: error instanceof ConfirmationDeclined ? null : error,
    reset,
  };
}

/** What follows a change whose page says it in a toast. */
export interface Told<Answer> {
  /** What the toast says. Undefined: there is none. */
  readonly say?: string | ((answer: Answer) => string) | undefined;
  readonly onDone: (answer: Answer) => void;
}

/** As {@link useConfirmedChange}, with a toast. @param affects what is asked for again */
export function useToldChange<Input, Answer>(
  call: (input: Input) => Promise<Answer>,
  {
    why,
    say,
    onDone,
    affects,
  }: Told<Answer> & { readonly why: string; readonly affects: readonly QueryFilters[] },
): ConfirmedChange<Input> {
  const queryClient = useQueryClient();
  const toast = useToast();
  return useConfirmedChange(call, {
    why,
    onDone: async (answer) => {
      onDone(answer);
      if (say !== undefined) toast(typeof say === "string" ? say : say(answer));
      await Promise.all(affects.map((filter) => queryClient.invalidateQueries(filter)));
    },
  });
}
