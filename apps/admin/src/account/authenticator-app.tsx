import { useState, type FormEvent, type ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPCClient } from "../api.ts";
import { explain } from "../errors.ts";
import { Button } from "../ui/button.tsx";
import { CodeField } from "../ui/code-field.tsx";
import { Copy } from "../ui/copy.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { usePrivateChange } from "./private-change.ts";
import { QrCode } from "./qr-code.tsx";

/** Why it asks for a confirmation. */
export const addingApp = "Adding an authenticator app needs a recent sign-in.";

/** What the app is given: shown once, and kept in the state of one component. */
export type AppSecret = ApiAnswers["me"]["totp"]["begin"];

interface AuthenticatorAppProps {
  readonly secret: AppSecret;
  /** The app counts from now on. */
  readonly onAdded: (backupCodes: readonly string[]) => void;
}

/** The app scans the picture, or is typed the secret, and proves it by a code. */
export function AuthenticatorApp({ secret: { uri, secret }, onAdded }: AuthenticatorAppProps): ReactNode {
  const client = useTRPCClient();
  const change = usePrivateChange(addingApp);
  const [code, setCode] = useState("");

  const finish = (given: string): void => {
    setCode("");
    void change.run(
      () => client.me.totp.finish.mutate({ code: given }),
      ({ backupCodes }) => onAdded(backupCodes),
    );
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    finish(code);
  };
  return (
    <form className="grid gap-4" onSubmit={submit}>
      <p>Scan this with an authenticator app, such as the one of your password manager.</p>
      <div className="justify-self-center">
        <QrCode text={uri} label="The secret of the authenticator app, to scan" />
      </div>
      <div className="grid gap-1">
        <p className="text-small text-muted">Or type this secret into the app:</p>
        <div className="flex items-center gap-1 rounded-control bg-sunken py-1 pr-1 pl-2.5">
          <code className="min-w-0 flex-1 font-mono text-code break-all" translate="no">
            {secret.replaceAll(/(.{4})(?=.)/g, "$1 ")}
          </code>
          <Copy text={secret} label="Copy the secret" />
        </div>
      </div>
      {change.error !== undefined && <WrongCode error={change.error} />}
      <CodeField
        label="Code"
        hint="The six digits that the app shows now."
        value={code}
        onChange={setCode}
        onComplete={finish}
      />
      <Button kind="primary" type="submit" busy={change.isBusy}>
        Continue
      </Button>
    </form>
  );
}

function WrongCode({ error }: { readonly error: unknown }): ReactNode {
  const { reason, detail } = explain(error);
  return reason === "INVALID_INPUT" ? <Notice kind="danger">{detail}</Notice> : <ErrorNotice error={error} />;
}
