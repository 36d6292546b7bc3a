import { useQueryClient } from "@tanstack/react-query";
import { useTRPC } from "../api.ts";
import { permits, useCompany } from "../frame/account.ts";

/** Asks for what a change of a member moved. After a change of one's own role the list may be forbidden: then it is not asked for. */
export function useMembersChanged(): (change: { readonly isOwn: boolean }) => Promise<void> {
  const { subdomain } = useCompany();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  return async ({ isOwn }) => {
    if (isOwn) await queryClient.invalidateQueries(trpc.me.get.pathFilter());
    const account = queryClient.getQueryData(trpc.me.get.queryKey());
    if (!permits(account, subdomain, "members")) return;
    await queryClient.invalidateQueries(trpc.companies.members.pathFilter());
  };
}
