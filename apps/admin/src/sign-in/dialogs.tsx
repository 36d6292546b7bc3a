import { useState, type FormEvent, type ReactNode } from "react";
import { useAccount } from "../frame/account.ts";
import type { ConfirmationDialogProps } from "../frame/confirmation.tsx";
import type { SignInAgainProps } from "../frame/signed-in-frame.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/field.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { takeStep } from "./requests.ts";
import { SignInForm } from "./sign-in-form.tsx";

/** Before a call that needs a recent sign-in. */
export function ConfirmIdentity({ why, onConfirmed, onClose }: ConfirmationDialogProps): ReactNode {
  const { email, factors } = useAccount();
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      await takeStep("confirm", { password, ...(factors.totp && { code: code.trim() }) });
      onConfirmed();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Dialog open onClose={onClose} title="Confirm that it is you" description={why}>
      <form className="grid gap-4" onSubmit={(event) => void submit(event)}>
        {error !== undefined && <ErrorNotice error={error} />}
        <input type="hidden" autoComplete="username" value={email} readOnly />
        <TextField
          label="Password"
          type="password"
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          required
        />
        {factors.totp && (
          <TextField
            label="Code"
            autoComplete="one-time-code"
            value={code}
            onChange={(event) => setCode(event.target.value)}
            required
          />
        )}
        <Button kind="primary" type="submit" busy={isBusy}>
          Confirm
        </Button>
      </form>
    </Dialog>
  );
}

/** Over a page whose session has ended. What was typed on the page is still there afterwards. */
export function SignInAgain({ email, onSignedIn }: SignInAgainProps): ReactNode {
  return (
    <Dialog open title="The session has ended" description="Sign in, and go on where you were.">
      <SignInForm email={email} onDone={onSignedIn} />
    </Dialog>
  );
}
