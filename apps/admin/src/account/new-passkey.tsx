import { useState, type FormEvent, type ReactNode } from "react";
import type { ApiAnswers, ApiInputs } from "@repo/tenant-secrets/client";
import { useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { usePrivateChange } from "./private-change.ts";

interface NewPasskeyProps {
  /** With backup codes where it is the person's first second factor. */
  readonly onAdded: (backupCodes: readonly string[] | undefined) => void;
}

/** Asks the device for a passkey: a finger, a face or a PIN. */
export function NewPasskey({ onAdded }: NewPasskeyProps): ReactNode {
  const client = useTRPCClient();
  const { error, isBusy, run } = usePrivateChange("Adding a passkey needs a recent sign-in.");
  const [name, setName] = useState("");

  const add = (event: FormEvent): void => {
    event.preventDefault();
    void run(
      async () => {
        const response = await makePasskey(await client.me.passkeys.begin.mutate());
        return client.me.passkeys.finish.mutate({ name: name.trim(), response });
      },
      ({ backupCodes }) => onAdded(backupCodes),
    );
  };
  return (
    <form className="grid gap-4" onSubmit={add}>
      <p>Your device asks for a finger, a face or a PIN. Later this signs you in without a password.</p>
      {error instanceof NoPasskeyMade ? (
        <Notice kind="warn">No passkey was made. The device may have one for this account already.</Notice>
      ) : (
        error !== undefined && <ErrorNotice error={error} />
      )}
      <TextField
        label="Name"
        hint="By which you know the device later, such as Work laptop."
        value={name}
        onChange={(event) => setName(event.target.value)}
        autoComplete="off"
        maxLength={100}
        ref={focusAtOnce}
        required
      />
      <Button kind="primary" type="submit" busy={isBusy}>
        Create the passkey
      </Button>
    </form>
  );
}

type Options = ApiAnswers["me"]["passkeys"]["begin"];
type Response = ApiInputs["me"]["passkeys"]["finish"]["response"];

/** The person or the device refused. */
class NoPasskeyMade extends Error {
  override readonly name = "NoPasskeyMade";
}

async function makePasskey(options: Options): Promise<Response> {
  if (!isOfBrowsers(options)) throw new NoPasskeyMade();
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = await navigator.credentials.create({ publicKey }).catch(() => null);
  if (!(credential instanceof PublicKeyCredential)) throw new NoPasskeyMade();
  const { id, rawId, response } = credential.toJSON();
  if (!("attestationObject" in response)) throw new NoPasskeyMade();
  const { clientDataJSON, attestationObject } = response;
  return { id, rawId, type: "public-key", response: { clientDataJSON, attestationObject } };
}

/** They came as JSON, so that none of their fields is undefined, as the browser's type demands. */
function isOfBrowsers(options: object): options is PublicKeyCredentialCreationOptionsJSON {
  return "challenge" in options;
}

function focusAtOnce(input: HTMLInputElement | null): void {
  input?.focus();
}
