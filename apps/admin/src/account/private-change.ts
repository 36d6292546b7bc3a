import { useState } from "react";
import { ConfirmationDeclined, useConfirmation } from "../frame/confirmation.tsx";

interface PrivateChange {
  /** What went wrong with the last one. */
  readonly error: unknown;
  readonly isBusy: boolean;
  /** Makes a change, asking for a confirmation where one is due. `onDone` gets the answer of a change that was made. */
  readonly run: <Answer>(
    call: () => Promise<Answer>,
    onDone: (answer: Answer) => void | Promise<void>,
  ) => Promise<void>;
}

/**
 * For changes whose input or answer is a password, a secret of an app or backup codes: it keeps neither, as a mutation hook would.
 *
 * @param why a sentence for the confirmation: "Adding a passkey needs a recent sign-in."
 */
export function usePrivateChange(why: string): PrivateChange {
  const withConfirmation = useConfirmation();
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  return {
    error,
    isBusy,
    run: async (call, onDone) => {
      if (isBusy) return;
      setBusy(true);
      setError(undefined);
      try {
        await onDone(await withConfirmation(call, why));
      } catch (failure) {
        if (!(failure instanceof ConfirmationDeclined)) setError(failure);
      } finally {
        setBusy(false);
      }
    },
  };
}
