import { useState, type FormEvent, type ReactNode } from "react";
import { reasonOf } from "../errors.ts";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { takeStep, type Next } from "./requests.ts";

interface SignInFormProps {
  /** Of the person who has to sign in; any, without it. */
  readonly email?: string;
  readonly onDone: () => void;
}

/** E-mail and password, then the code of the second factor where there is one. */
export function SignInForm({ email: fixedEmail, onDone }: SignInFormProps): ReactNode {
  const [step, setStep] = useState<Next | undefined>();
  const [email, setEmail] = useState(fixedEmail ?? "");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);

  const isCodeAsked = step === "second-factor";
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const next = isCodeAsked
        ? await takeStep("second-factor", { code: code.trim() })
        : await takeStep("email", { email, password });
      setPassword("");
      setCode("");
      if (next === "done") onDone();
      else setStep(next);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };

  return (
    <form className="grid gap-4" onSubmit={(event) => void submit(event)}>
      {error !== undefined && <SignInError error={error} isCode={isCodeAsked} />}
      {isCodeAsked ? (
        <TextField
          key="code"
          label="Code"
          hint="Six digits of your authenticator app, or one of your backup codes."
          value={code}
          onChange={(event) => setCode(event.target.value)}
          autoComplete="one-time-code"
          autoCapitalize="none"
          spellCheck={false}
          required
          ref={focusAtOnce}
        />
      ) : (
        <>
          <TextField
            label="E-mail"
            type="email"
            autoComplete="username webauthn"
            value={email}
            onChange={(event) => setEmail(event.target.value)}
            readOnly={fixedEmail !== undefined}
            required
          />
          <TextField
            label="Password"
            type="password"
            autoComplete="current-password"
            value={password}
            onChange={(event) => setPassword(event.target.value)}
            required
          />
        </>
      )}
      <Button kind="primary" type="submit" busy={isBusy}>
        {isCodeAsked ? "Continue" : "Sign in"}
      </Button>
    </form>
  );
}

function focusAtOnce(input: HTMLInputElement | null): void {
  input?.focus();
}

/** One sentence for all reasons: it tells nothing of which accounts there are. */
function SignInError({ error, isCode }: { readonly error: unknown; readonly isCode: boolean }): ReactNode {
  if (reasonOf(error) !== "UNAUTHENTICATED") return <ErrorNotice error={error} />;
  return (
    <Notice kind="danger">
      {isCode
        ? "This code does not count, or no longer."
        : "E-mail address and password do not fit together."}
    </Notice>
  );
}
