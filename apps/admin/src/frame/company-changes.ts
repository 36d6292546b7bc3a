import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC } from "../api.ts";
import { reasonOf } from "../errors.ts";
import { permits } from "./account.ts";

type Stamp = ApiAnswers["companies"]["stamp"];

const everyMs = 20_000;
/** While the page is used: within five seconds a role that was changed counts on the server. */
const atInputAfterMs = 4000;

/**
 * Asks for the lists of a company again when they moved. While the page is visible it asks each 20 seconds for the counters,
 * and at input each 4 seconds; they cost no line of the audit log. That the company was suspended is heard in the same way.
 */
export function useCompanyChanges(company: string): void {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const {
    data: stamp,
    error,
    dataUpdatedAt,
    refetch,
  } = useQuery(
    trpc.companies.stamp.queryOptions(
      { company },
      { refetchInterval: everyMs, refetchIntervalInBackground: false, gcTime: 0, retry: false },
    ),
  );
  useEffect(() => {
    const heard = (): void => {
      if (Date.now() - dataUpdatedAt > atInputAfterMs) void refetch({ cancelRefetch: false });
    };
    const events = ["pointerdown", "pointermove", "keydown", "focus"] as const;
    for (const name of events) addEventListener(name, heard);
    return () => {
      for (const name of events) removeEventListener(name, heard);
    };
  }, [dataUpdatedAt, refetch]);
  const isSuspended = error !== null && reasonOf(error) === "COMPANY_SUSPENDED";
  useEffect(() => {
    if (isSuspended) void queryClient.invalidateQueries(trpc.me.get.pathFilter());
  }, [isSuspended, queryClient, trpc]);
  const seen = useRef<Stamp>(undefined);
  useEffect(() => {
    const before = seen.current;
    seen.current = stamp;
    if (before === undefined || stamp === undefined) return;
    const hasMoved = (counter: Exclude<keyof Stamp, "source">): boolean =>
      before.source !== stamp.source || before[counter] !== stamp[counter];
    const askAgain = async (): Promise<void> => {
      // First what the person may do now: a list that became forbidden, or whose keys were destroyed, is not asked for.
      if (hasMoved("members") || hasMoved("secrets"))
        await queryClient.invalidateQueries(trpc.me.get.pathFilter());
      const account = queryClient.getQueryData(trpc.me.get.queryKey());
      const mayManage = permits(account, company, "members");
      if (hasMoved("secrets") && permits(account, company, "describe"))
        void queryClient.invalidateQueries(trpc.secrets.pathFilter());
      if (hasMoved("members")) void queryClient.invalidateQueries(trpc.companies.settings.pathFilter());
      if (hasMoved("apiKeys") && mayManage)
        void queryClient.invalidateQueries(trpc.companies.apiKeys.pathFilter());
      if (hasMoved("members") && mayManage) {
        void queryClient.invalidateQueries(trpc.companies.members.pathFilter());
        void queryClient.invalidateQueries(trpc.invitations.pathFilter());
      }
    };
    void askAgain();
  }, [company, queryClient, stamp, trpc]);
}
