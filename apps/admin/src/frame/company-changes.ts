import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC } from "../api.ts";

type Stamp = ApiAnswers["companies"]["stamp"];

const everyMs = 20_000;

/**
 * Asks for the lists of a company again when they moved. While the page is visible it asks each 20 seconds for the counters,
 * which cost no line of the audit log.
 */
export function useCompanyChanges(company: string): void {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const { data: stamp } = useQuery(
    trpc.companies.stamp.queryOptions(
      { company },
      { refetchInterval: everyMs, refetchIntervalInBackground: false, gcTime: 0, retry: false },
    ),
  );
  const seen = useRef<Stamp>(undefined);
  useEffect(() => {
    const before = seen.current;
    seen.current = stamp;
    if (before === undefined || stamp === undefined) return;
    const hasMoved = (counter: Exclude<keyof Stamp, "source">): boolean =>
      before.source !== stamp.source || before[counter] !== stamp[counter];
    if (hasMoved("secrets")) void queryClient.invalidateQueries(trpc.secrets.pathFilter());
    if (hasMoved("apiKeys")) void queryClient.invalidateQueries(trpc.companies.apiKeys.pathFilter());
    if (hasMoved("members")) {
      void queryClient.invalidateQueries(trpc.companies.members.pathFilter());
      void queryClient.invalidateQueries(trpc.invitations.pathFilter());
      void queryClient.invalidateQueries(trpc.me.get.pathFilter());
    }
  }, [queryClient, stamp, trpc]);
}
