import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC } from "../api.ts";
import { ConfirmationDeclined, useConfirmation } from "../frame/confirmation.tsx";

/** A key that was made just now, with its text: it is in the state of one component and nowhere else. */
export interface MadeKey extends Pick<
  ApiAnswers["companies"]["apiKeys"]["create"],
  "apiKey" | "description"
> {
  /** Of a rotation: when the key before it ends. */
  readonly oldEndsAt?: Date;
}

interface Making {
  readonly make: (call: () => Promise<MadeKey>) => Promise<void>;
  readonly isBusy: boolean;
  readonly error: unknown;
}

/** Makes a key without a query or a mutation of the cache, which would keep it. */
export function useMaking(onMade: (made: MadeKey) => void): Making {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const withConfirmation = useConfirmation();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const make = async (call: () => Promise<MadeKey>): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      const made = await withConfirmation(call, "Making an API key needs a recent sign-in.");
      void queryClient.invalidateQueries(trpc.companies.apiKeys.pathFilter());
      onMade(made);
    } catch (failure) {
      if (!(failure instanceof ConfirmationDeclined)) setError(failure);
      setBusy(false);
    }
  };
  return { make, isBusy, error };
}
