import { useMutation } from "@tanstack/react-query";
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
