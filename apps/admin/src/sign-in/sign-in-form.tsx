import { Fingerprint } from "lucide-react";
import { useRef, useState, type FormEvent, type ReactNode } from "react";
import { reasonOf } from "../errors.ts";
import { Button } from "../ui/button.tsx";
import { CodeField } from "../ui/code-field.tsx";
import { TextField } from "../ui/field.tsx";
import { Notice } from "../ui/notice.tsx";
import { hasPasskeys, takePasskeyStep, takeStep, type Next } from "./requests.ts";
import { SignInError, type Tried } from "./sign-in-error.tsx";
import { useSuggestedPasskeys } from "./suggested-passkeys.ts";

interface SignInFormProps {
  /** Of the person who has to sign in; any, without it. */
  readonly email?: string;
  readonly onDone: () => void;
}

/** With so many wrong codes the server ends a sign-in. */
const mostCodes = 5;

type Step = "password" | "code" | "backup-code";

interface Failure {
  readonly error: unknown;
  readonly tried: Tried;
}

/** E-mail and password, then the code of the second factor where there is one; or a passkey instead of both. */
export function SignInForm({ email: fixedEmail, onDone }: SignInFormProps): ReactNode {
  const [step, setStep] = useState<Step>("password");
  const [email, setEmail] = useState(fixedEmail ?? "");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [failure, setFailure] = useState<Failure>();
  const [wrongCodes, setWrongCodes] = useState(0);
  const [isBusy, setBusy] = useState(false);
  const passwordInput = useRef<HTMLInputElement>(null);

  const take = async (tried: Tried, send: () => Promise<Next>): Promise<void> => {
    if (isBusy) return;
    setBusy(true);
    setFailure(undefined);
    try {
      const next = await send();
      setPassword("");
      setWrongCodes(0);
      if (next === "done") onDone();
      else setStep("code");
    } catch (error) {
      setFailure({ error, tried });
      if (reasonOf(error) === "UNAUTHENTICATED" && tried === "password") {
        setPassword("");
        passwordInput.current?.focus();
      }
      if (reasonOf(error) === "UNAUTHENTICATED" && tried === "code") {
        setWrongCodes(wrongCodes + 1);
        if (wrongCodes + 1 === mostCodes) setStep("password");
      }
    } finally {
      setCode("");
      setBusy(false);
    }
  };
  useSuggestedPasskeys(
    step === "password" && !isBusy && fixedEmail === undefined,
    (passkey) => void take("passkey", () => takeStep("passkey", { passkey })),
  );
  const takeCode = (given: string): Promise<void> =>
    take("code", () => takeStep("second-factor", { code: given.trim() }));
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void (step === "password"
      ? take("password", () => takeStep("email", { email, password }))
      : takeCode(code));
  };

  return (
    <form className="grid gap-4" onSubmit={submit}>
      {failure !== undefined && wrongCodes < mostCodes && <SignInError {...failure} />}
      {wrongCodes >= mostCodes && (
        <Notice kind="danger">Five wrong codes ended this sign-in. Begin again.</Notice>
      )}
      {step === "password" && (
        <>
          <TextField
            label="E-mail"
            type="email"
            autoComplete="username webauthn"
            value={email}
            onChange={(event) => setEmail(event.target.value)}
            readOnly={fixedEmail !== undefined}
            // A dialog gives the focus to the first field of the tab order.
            tabIndex={fixedEmail === undefined ? 0 : -1}
            required
          />
          <TextField
            label="Password"
            type="password"
            autoComplete="current-password"
            value={password}
            onChange={(event) => setPassword(event.target.value)}
            ref={passwordInput}
            required
          />
        </>
      )}
      {step === "code" && (
        <CodeField
          label="Code"
          hint="The six digits that your authenticator app shows now."
          value={code}
          onChange={setCode}
          onComplete={(given) => void takeCode(given)}
        />
      )}
      {step === "backup-code" && (
        <TextField
          label="Backup code"
          hint="One of the ten that you kept, such as k3x9a-7pq2m. It counts once."
          value={code}
          onChange={(event) => setCode(event.target.value)}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          ref={focusAtOnce}
          required
        />
      )}
      <Button kind="primary" type="submit" busy={isBusy}>
        {step === "password" ? "Sign in" : "Continue"}
      </Button>
      <div className="grid gap-2">
        {hasPasskeys() && (
          <Button
            icon={Fingerprint}
            disabled={isBusy}
            onClick={() => void take("passkey", () => takePasskeyStep("passkey"))}
          >
            Use a passkey
          </Button>
        )}
        {step !== "password" && (
          <Button
            kind="quiet"
            onClick={() => {
              setCode("");
              setFailure(undefined);
              setStep(step === "code" ? "backup-code" : "code");
            }}
          >
            {step === "code" ? "Use a backup code" : "Use the authenticator app"}
          </Button>
        )}
      </div>
    </form>
  );
}

function focusAtOnce(input: HTMLInputElement | null): void {
  input?.focus();
}
