import { useState, type FormEvent, type ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { explain } from "../errors.ts";
import { useAccount } from "../frame/account.ts";
import { Button } from "../ui/button.tsx";
import { NewPasswordField } from "../ui/new-password-field.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";
import { usePrivateChange } from "./private-change.ts";
import { Section } from "./section.tsx";
import { useSessionsChanged } from "./sessions-section.tsx";

export function PasswordSection(): ReactNode {
  const { email } = useAccount();
  const client = useTRPCClient();
  const say = useToast();
  const sessionsChanged = useSessionsChanged();
  const [password, setPassword] = useState("");
  const { error, isBusy, run } = usePrivateChange("A new password needs a recent sign-in.");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void run(
      () => client.me.setPassword.mutate({ password }),
      async () => {
        setPassword("");
        say("Password changed. Your other sessions have ended.");
        await sessionsChanged();
      },
    );
  };
  const { reason, detail } = explain(error);
  const isRefused = reason === "INVALID_INPUT";
  return (
    <Section title="Password" about="A new one ends your other sessions.">
      <form className="grid gap-4" onSubmit={submit}>
        {error !== undefined && !isRefused && <ErrorNotice error={error} />}
        <input type="hidden" autoComplete="username" value={email} readOnly />
        <NewPasswordField
          label="New password"
          value={password}
          onChange={setPassword}
          error={isRefused ? detail : undefined}
        />
        <div>
          <Button type="submit" busy={isBusy} disabled={password === ""}>
            Change the password
          </Button>
        </div>
      </form>
    </Section>
  );
}
