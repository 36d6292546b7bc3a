import { Link } from "@tanstack/react-router";
import { useState, type FormEvent, type ReactNode } from "react";
import { VisitorPage } from "../frame/visitor-page.tsx";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { takeStep } from "./requests.ts";

/** Asks for the mail with the link to a new password. The answer is the same for every address. */
export function ForgotPage(): ReactNode {
  const [email, setEmail] = useState("");
  const [sentTo, setSentTo] = useState<string>();
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await takeStep("request-password-reset", { email });
      setSentTo(email);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <VisitorPage title="Forgot password">
      {sentTo === undefined ? (
        <form className="grid gap-4" onSubmit={(event) => void submit(event)}>
          {error !== undefined && <ErrorNotice error={error} />}
          <TextField
            label="E-mail"
            type="email"
            autoComplete="username"
            hint="A link to choose a new password goes there. The second factor stays."
            value={email}
            onChange={(event) => setEmail(event.target.value)}
            required
          />
          <Button kind="primary" type="submit" busy={isBusy}>
            Send the link
          </Button>
        </form>
      ) : (
        <Notice kind="info" title="Look into your mail">
          If {sentTo} has an account, a link is on its way there. It works for 30 minutes, once.
        </Notice>
      )}
      <Link to="/sign-in" className="justify-self-center text-accent hover:underline">
        Back to the sign-in
      </Link>
    </VisitorPage>
  );
}
