import { useState, type FormEvent, type ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { explain, reasonOf } from "../errors.ts";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { NewPasswordField } from "../ui/new-password-field.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { takeStep } from "./requests.ts";

interface NewPersonFormProps {
  readonly token: string;
  /** Masked, such as `p…@example.com`. */
  readonly invitedEmail: string;
  /** The person is a member, and signed in. */
  readonly onMember: () => void;
  /** The invitation was answered or closed meanwhile. */
  readonly onClosed: () => void;
}

/** Makes the account of an invited person, and signs them in. The address is typed: the server does not tell it whole. */
export function NewPersonForm({ token, invitedEmail, onMember, onClosed }: NewPersonFormProps): ReactNode {
  const client = useTRPCClient();
  const [email, setEmail] = useState("");
  const [emailError, setEmailError] = useState<string>();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const isTheirs = fits(email, invitedEmail);
    setEmailError(isTheirs ? undefined : `The invitation is for ${invitedEmail}.`);
    if (!isTheirs) return;
    setBusy(true);
    try {
      await client.invitations.accept.mutate({ token, name, password });
      await takeStep("email", { email, password });
      onMember();
    } catch (failure) {
      setBusy(false);
      const reason = reasonOf(failure);
      if (reason === "CONFLICT" || reason === "NOT_FOUND") onClosed();
      // The address was mistyped inside its mask: the guard asks for the sign-in.
      else if (reason === "UNAUTHENTICATED") onMember();
      else setError(failure);
    }
  };
  const { reason, detail } = explain(error);
  const isRefused = reason === "INVALID_INPUT";

  return (
    <form className="grid gap-4" onSubmit={(event) => void submit(event)}>
      {error !== undefined && !isRefused && <ErrorNotice error={error} />}
      <TextField
        label="E-mail"
        type="email"
        autoComplete="username"
        error={emailError}
        value={email}
        onChange={(event) => setEmail(event.target.value)}
        required
      />
      <TextField
        label="Your name"
        autoComplete="name"
        value={name}
        onChange={(event) => setName(event.target.value)}
        maxLength={100}
        required
      />
      <NewPasswordField
        label="Password"
        value={password}
        onChange={setPassword}
        error={isRefused ? detail : undefined}
      />
      <Button kind="primary" type="submit" busy={isBusy}>
        Accept the invitation
      </Button>
    </form>
  );
}

/** Whether the mask can be this address's. */
function fits(email: string, mask: string): boolean {
  const [first = "", rest = ""] = mask.split("…");
  const typed = email.trim().toLowerCase();
  return typed.startsWith(first.toLowerCase()) && typed.endsWith(rest.toLowerCase());
}
