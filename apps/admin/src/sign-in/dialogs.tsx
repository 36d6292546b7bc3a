import { useRouter } from "@tanstack/react-router";
import { Fingerprint } from "lucide-react";
import { useState, type FormEvent, type ReactNode } from "react";
import { refreshAccount, useAccount } from "../frame/account.ts";
import type { ConfirmationDialogProps } from "../frame/confirmation.tsx";
import type { SignInAgainProps } from "../frame/signed-in-frame.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/field.tsx";
import { hasPasskeys, takePasskeyStep, takeStep, type Next } from "./requests.ts";
import { SignInError, type Tried } from "./sign-in-error.tsx";
import { SignInForm } from "./sign-in-form.tsx";

/** Before a call that needs a recent sign-in: with a passkey, where the person has one, else password and code. */
export function ConfirmIdentity({ why, onConfirmed, onClose }: ConfirmationDialogProps): ReactNode {
  const { factors } = useAccount();
  const { api } = useRouter().options.context;
  const [isByPassword, setByPassword] = useState(factors.passkeys === 0 || !hasPasskeys());
  const [failure, setFailure] = useState<{ readonly error: unknown; readonly tried: Tried }>();
  const [isBusy, setBusy] = useState(false);
  const confirm = async (send: () => Promise<Next>): Promise<void> => {
    setBusy(true);
    setFailure(undefined);
    try {
      await send();
      onConfirmed();
    } catch (error) {
      setFailure({ error, tried: "confirmation" });
      setBusy(false);
      // The fifth wrong attempt ends the session, which the page finds out by this.
      void refreshAccount(api);
    }
  };
  return (
    <Dialog open onClose={onClose} title="Confirm that it is you" description={why}>
      {failure !== undefined && <SignInError {...failure} />}
      {isByPassword ? (
        <ByPassword isBusy={isBusy} onSubmit={(given) => void confirm(() => takeStep("confirm", given))} />
      ) : (
        <div className="grid gap-2">
          <Button
            kind="primary"
            icon={Fingerprint}
            busy={isBusy}
            onClick={() => void confirm(() => takePasskeyStep("confirm"))}
          >
            Use a passkey
          </Button>
          <Button kind="quiet" disabled={isBusy} onClick={() => setByPassword(true)}>
            Use password and code
          </Button>
        </div>
      )}
    </Dialog>
  );
}

interface ByPasswordProps {
  readonly isBusy: boolean;
  readonly onSubmit: (given: { readonly password: string; readonly code?: string }) => void;
}

function ByPassword({ isBusy, onSubmit }: ByPasswordProps): ReactNode {
  const { email, factors } = useAccount();
  const hasFactor = factors.totp || factors.passkeys > 0;
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    // Wrong or right, a code counts once.
    setCode("");
    onSubmit({ password, ...(hasFactor && { code: code.trim() }) });
  };
  return (
    <form className="grid gap-4" onSubmit={submit}>
      <input type="hidden" autoComplete="username" value={email} readOnly />
      <TextField
        label="Password"
        type="password"
        autoComplete="current-password"
        value={password}
        onChange={(event) => setPassword(event.target.value)}
        required
      />
      {hasFactor && (
        <TextField
          label="Code"
          hint={factors.totp ? "Of your authenticator app, or a backup code." : "One of your backup codes."}
          autoComplete="one-time-code"
          autoCapitalize="none"
          spellCheck={false}
          value={code}
          onChange={(event) => setCode(event.target.value)}
          required
        />
      )}
      <Button kind="primary" type="submit" busy={isBusy}>
        Confirm
      </Button>
    </form>
  );
}

/** Over a page whose session has ended. What was typed on the page is still there afterwards. */
export function SignInAgain({ email, onSignedIn }: SignInAgainProps): ReactNode {
  return (
    <Dialog open title="The session has ended" description="Sign in, and go on where you were.">
      <SignInForm email={email} onDone={onSignedIn} />
      <Button kind="quiet" onClick={() => location.replace("/sign-in")}>
        Leave this page
      </Button>
    </Dialog>
  );
}
