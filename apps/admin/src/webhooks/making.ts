import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC } from "../api.ts";
import { ConfirmationDeclined, useConfirmation } from "../frame/confirmation.tsx";

/** A secret that was made just now: it is in the state of one component and nowhere else. */
export type MadeSecret = ApiAnswers["webhooks"]["create"];

interface Making {
  readonly make: (call: () => Promise<MadeSecret>) => Promise<void>;
  readonly isBusy: boolean;
  readonly error: unknown;
}

/** Makes a secret without a query or a mutation of the cache, which would keep it. */
export function useMaking(why: string, onMade: (made: MadeSecret) => void): Making {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const withConfirmation = useConfirmation();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const make = async (call: () => Promise<MadeSecret>): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      const made = await withConfirmation(call, why);
      await queryClient.invalidateQueries(trpc.webhooks.pathFilter());
      onMade(made);
    } catch (failure) {
      if (!(failure instanceof ConfirmationDeclined)) setError(failure);
      setBusy(false);
    }
  };
  return { make, isBusy, error };
}
