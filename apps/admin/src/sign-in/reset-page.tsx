import { Link, useRouter } from "@tanstack/react-router";
import { useState, type FormEvent, type ReactNode } from "react";
import { explain } from "../errors.ts";
import { VisitorPage } from "../frame/visitor-page.tsx";
import { Button, buttonLook } from "../ui/button.tsx";
import { NewPasswordField } from "../ui/new-password-field.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { takeStep } from "./requests.ts";

/** A new password by a mail's link. It begins no session. */
export function ResetPage(): ReactNode {
  const { linkToken } = useRouter().options.context;
  const [isDone, setDone] = useState(false);
  return (
    <VisitorPage title="New password">
      {isDone ? (
        <Notice kind="ok" title="The password is changed">
          All sessions have ended. The second factor is as it was.
        </Notice>
      ) : linkToken === undefined ? (
        <Notice kind="info" title="Open the link in the mail">
          This page needs the link. It is read once, and kept nowhere.
        </Notice>
      ) : (
        <ResetForm token={linkToken} onDone={() => setDone(true)} />
      )}
      {isDone ? (
        <Link to="/sign-in" className={buttonLook("primary")}>
          Sign in
        </Link>
      ) : (
        <Link to="/forgot" className="justify-self-center text-accent hover:underline">
          Ask for another link
        </Link>
      )}
    </VisitorPage>
  );
}

function ResetForm({ token, onDone }: { readonly token: string; readonly onDone: () => void }): ReactNode {
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await takeStep("reset-password", { token, password });
      onDone();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const { reason, detail } = explain(error);
  const isRefused = reason === "INVALID_INPUT";
  return (
    <form className="grid gap-4" onSubmit={(event) => void submit(event)}>
      {error !== undefined && !isRefused && <ErrorNotice error={error} />}
      <NewPasswordField
        label="New password"
        value={password}
        onChange={setPassword}
        error={isRefused ? detail : undefined}
      />
      <Button kind="primary" type="submit" busy={isBusy}>
        Set the password
      </Button>
    </form>
  );
}
