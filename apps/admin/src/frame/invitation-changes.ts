import { useQueryClient } from "@tanstack/react-query";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useToast } from "../ui/toast.tsx";
import { useConfirmedChange } from "./confirmed-change.ts";

type Invited = Pick<ApiAnswers["invitations"]["list"][number], "id" | "email">;

/** Sends another link for an invitation of a company, or revokes it. */
export function useInvitationChanges(company: string) {
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queryClient = useQueryClient();
  const say = useToast();
  const moved = () => queryClient.invalidateQueries(trpc.invitations.pathFilter());
  const resend = useConfirmedChange(
    ({ id }: Invited) => client.invitations.resend.mutate({ company, invitation: id }),
    {
      why: "Inviting a person needs a recent sign-in.",
      onDone: async ({ email }) => {
        await moved();
        say(`Another link is on its way to ${email}. The earlier one no longer works.`);
      },
    },
  );
  const revoke = useConfirmedChange(
    ({ id }: Invited) => client.invitations.revoke.mutate({ company, invitation: id }),
    {
      why: "Revoking an invitation needs a recent sign-in.",
      onDone: async (_, { email }) => {
        await moved();
        say(`The invitation of ${email} was revoked`);
      },
    },
  );
  return { resend: resend.run, revoke: revoke.run, error: resend.error ?? revoke.error };
}
