import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useState, type ReactNode } from "react";
import type { ApiInputs, Role } from "@repo/tenant-secrets/client";
import { useTRPC, useTRPCClient } from "../api.ts";
import { explain } from "../errors.ts";
import { useCompany } from "../frame/account.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/field.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";
import { RoleChoice } from "./role-choice.tsx";

/** Asks for an address and a role. The mail has a link that works once. */
export function InviteDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  const { subdomain: company, role: own } = useCompany();
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queryClient = useQueryClient();
  const say = useToast();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Role>("member");
  // One for each thing that is asked for: a retry after a cut invites once.
  const requestId = useMemo(() => `${email}${role}` && crypto.randomUUID(), [email, role]);
  const invite = useConfirmedChange(
    (input: ApiInputs["invitations"]["create"]) => client.invitations.create.mutate(input),
    {
      why: "Inviting a person needs a recent sign-in.",
      onDone: async (invitation) => {
        await queryClient.invalidateQueries(trpc.invitations.pathFilter());
        say(`An invitation is on its way to ${invitation.email}`);
        onClose();
      },
    },
  );
  const { fieldError, notice } = wordsOf(invite.error);
  return (
    <Dialog open onClose={onClose} title="Invite a person">
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          invite.run({ company, email: email.trim(), role, requestId });
        }}
      >
        <TextField
          label="E-mail"
          type="email"
          autoComplete="off"
          autoCapitalize="none"
          value={email}
          onChange={(event) => {
            setEmail(event.target.value);
            invite.reset();
          }}
          error={fieldError}
          hint="The mail has a link that works once, for seven days."
          maxLength={254}
          required
        />
        <RoleChoice own={own} value={role} onChange={setRole} />
        {notice}
        <div className="flex flex-wrap justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" busy={invite.isBusy}>
            Send invitation
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** What is wrong with the address stands below it; the rest is a notice. */
function wordsOf(error: Error | null): { readonly fieldError?: string; readonly notice?: ReactNode } {
  if (error === null) return {};
  const { reason } = explain(error);
  if (reason === "CONFLICT") return { fieldError: "This person belongs to the company already." };
  if (reason === "INVALID_INPUT") return { fieldError: "That is no e-mail address." };
  if (reason !== "NOT_SUPPORTED") return { notice: <ErrorNotice error={error} /> };
  return {
    notice: (
      <Notice kind="warn" title="This service sends no mail">
        An invitation is a mail with a link. An operator has to set SMTP_URL first. No invitation was made.
      </Notice>
    ),
  };
}
