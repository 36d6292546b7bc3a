import { useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent, type ReactNode } from "react";
import type { Role } from "@repo/tenant-secrets/client";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { Button } from "../ui/button.tsx";
import { Select, TextField } from "../ui/field.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";

const roles: readonly { readonly value: Role; readonly label: string }[] = [
  { value: "owner", label: "Owner – everything, and other owners" },
  { value: "admin", label: "Admin – secrets, people and API keys" },
  { value: "member", label: "Member – adds and replaces secrets" },
  { value: "auditor", label: "Auditor – sees what is there, and the audit log" },
];

/** Invites a person to a company, its first owner included. */
export function InviteForm({
  company,
  role: first,
  onDone,
}: {
  readonly company: string;
  readonly role: Role;
  readonly onDone: () => void;
}): ReactNode {
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queryClient = useQueryClient();
  const say = useToast();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState(first);
  const create = useConfirmedChange(
    (input: { email: string; role: Role }) => client.invitations.create.mutate({ company, ...input }),
    {
      why: "Inviting people needs a recent sign-in.",
      onDone: async ({ email: address }) => {
        await queryClient.invalidateQueries(trpc.invitations.list.queryFilter({ company }));
        say(`Invited ${address}`);
        onDone();
      },
    },
  );
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    create.run({ email: email.trim(), role });
  };
  return (
    <form className="grid gap-4" onSubmit={submit}>
      {create.error !== null && <ErrorNotice error={create.error} />}
      <TextField
        label="E-mail"
        type="email"
        autoComplete="off"
        value={email}
        onChange={({ target }) => setEmail(target.value)}
        required
      />
      <Select
        label="Role"
        options={roles}
        value={role}
        onChange={({ target }) => setRole(roles.find(({ value }) => value === target.value)?.value ?? first)}
      />
      <Button kind="primary" type="submit" busy={create.isBusy}>
        Send the invitation
      </Button>
    </form>
  );
}
