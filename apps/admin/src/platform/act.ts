import { useMutation } from "@tanstack/react-query";
import { ConfirmationDeclined, useConfirmation } from "../frame/confirmation.tsx";

interface Act<Input> {
  readonly run: (input: Input) => void;
  readonly isBusy: boolean;
  /** What went wrong the last time; null where nothing did. */
  readonly error: Error | null;
  readonly reset: () => void;
}

/**
 * A change that may need a recent sign-in.
 *
 * @param why what the dialog says then, such as "Suspending a company needs a recent sign-in."
 */
export function useAct<Input, Answer>(
  call: (input: Input) => Promise<Answer>,
  { why, onDone }: { readonly why: string; readonly onDone: (answer: Answer, input: Input) => unknown },
): Act<Input> {
  const withConfirmation = useConfirmation();
  const { mutate, isPending, error, reset } = useMutation({
    mutationFn: (input: Input) => withConfirmation(() => call(input), why),
    onSuccess: onDone,
  });
  return {
    run: (input) => mutate(input),
    isBusy: isPending,
    error: error instanceof ConfirmationDeclined ? null : error,
    reset,
  };
}
