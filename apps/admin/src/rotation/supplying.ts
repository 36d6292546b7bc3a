import { TRPCClientError } from "@trpc/client";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { AppRouter } from "@repo/tenant-secrets/client";
import { useTRPC, useTRPCClient } from "../api.ts";
import { ConfirmationDeclined, useConfirmation } from "../frame/confirmation.tsx";

/** Where the value that a person supplies stands. */
export type Supplying =
  | { readonly step: "editing" }
  | { readonly step: "asking" }
  /** Whose it is, its provider does not say. */
  | { readonly step: "unknown-account" }
  | { readonly step: "refused"; readonly error: unknown };

interface Target {
  readonly company: string;
  readonly run: string;
  readonly onStaged: (version: number) => void;
}

/** Supplies a value past the cache of mutations, which would keep it. */
export function useSupplying({ company, run, onStaged }: Target) {
  const client = useTRPCClient();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const withConfirmation = useConfirmation();
  const [supplying, setSupplying] = useState<Supplying>({ step: "editing" });
  const supply = async (value: string, sameAccount: boolean): Promise<void> => {
    setSupplying({ step: "asking" });
    try {
      const { version } = await withConfirmation(
        () => client.rotation.supply.mutate({ company, run, value, sameAccount }),
        "Supplying a value needs a recent sign-in.",
      );
      onStaged(version);
      await Promise.all([
        queryClient.invalidateQueries(trpc.rotation.pathFilter()),
        // The run goes on at once: it is looked at often from now on.
        queryClient.invalidateQueries(trpc.runs.pathFilter()),
        queryClient.invalidateQueries(trpc.secrets.pathFilter()),
      ]);
    } catch (error) {
      if (error instanceof ConfirmationDeclined) setSupplying({ step: "editing" });
      else setSupplying(isUnknownAccount(error) ? { step: "unknown-account" } : { step: "refused", error });
    }
  };
  return { supplying, supply, edit: () => setSupplying({ step: "editing" }) };
}

function isUnknownAccount(error: unknown): boolean {
  return isOfApi(error) && error.data?.fields?.includes("sameAccount") === true;
}

/** The client makes these of answers of this API alone. */
function isOfApi(error: unknown): error is TRPCClientError<AppRouter> {
  return error instanceof TRPCClientError;
}
