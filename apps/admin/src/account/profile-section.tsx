import { useRouter } from "@tanstack/react-router";
import { useState, type FormEvent, type ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { refreshAccount, useAccount } from "../frame/account.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";
import { Section } from "./section.tsx";

export function ProfileSection(): ReactNode {
  const { name: savedName, email } = useAccount();
  const { api } = useRouter().options.context;
  const client = useTRPCClient();
  const say = useToast();
  const [name, setName] = useState(savedName);
  const rename = useConfirmedChange((next: string) => client.me.setName.mutate({ name: next }), {
    why: "Changing your name needs a recent sign-in.",
    onDone: async () => {
      await refreshAccount(api);
      say("Name saved");
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    rename.run(name);
  };
  return (
    <Section title="Profile" about="Your own name for yourself. Each company calls you as it likes.">
      <form className="grid gap-4" onSubmit={submit}>
        {rename.error !== null && <ErrorNotice error={rename.error} />}
        <div className="grid gap-1">
          <p className="font-medium">E-mail</p>
          <p className="break-all">{email}</p>
        </div>
        <TextField
          label="Name"
          autoComplete="name"
          value={name}
          onChange={(event) => setName(event.target.value)}
          maxLength={100}
          required
        />
        <div>
          <Button type="submit" busy={rename.isBusy} disabled={name === savedName}>
            Save the name
          </Button>
        </div>
      </form>
    </Section>
  );
}
