import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent, type ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useConfirmedChange } from "./confirmed-change.ts";
import { Button } from "../ui/button.tsx";
import { ConfirmDialog, Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/field.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";

type ExternalKeyState = ApiAnswers["companies"]["externalKey"];

interface ExternalKeyProps {
  readonly company: string;
  /** Owners replace and remove it; operators set the first one alone. */
  readonly isOwner: boolean;
  readonly maySet: boolean;
}

const answers = {
  opens: "It opens.",
  denied: "It refuses: nothing of the company opens until its key policy allows it again.",
  wrong: "Its answers do not fit: nothing of the company opens.",
  unavailable: "Its service does not answer.",
} as const;

/** The key in a service of the company that wraps its keys. */
export function ExternalKey({ company, isOwner, maySet }: ExternalKeyProps): ReactNode {
  const trpc = useTRPC();
  const query = useQuery(trpc.companies.externalKey.queryOptions({ company }));
  const [asked, setAsked] = useState<"set" | "remove">();
  const close = (): void => setAsked(undefined);
  return (
    <Loaded query={query}>
      {(state) => (
        <div className="grid justify-items-start gap-3">
          <State of={state} />
          <div className="flex flex-wrap gap-2">
            {maySet && (isOwner || state.key === undefined) && (
              <Button onClick={() => setAsked("set")}>
                {state.key === undefined ? "Set an external key" : "Replace"}
              </Button>
            )}
            {isOwner && state.key !== undefined && <Button onClick={() => setAsked("remove")}>Remove</Button>}
          </div>
          <Dialog
            open={asked === "set"}
            onClose={close}
            title="External key"
            description="The ARN of a symmetric key in AWS KMS. Without that key, nothing of the company opens."
          >
            <KeyForm company={company} onDone={close} />
          </Dialog>
          <Removal company={company} open={asked === "remove"} onClose={close} />
        </div>
      )}
    </Loaded>
  );
}

function State({ of: { state, key, answer } }: { readonly of: ExternalKeyState }): ReactNode {
  if (state === "none") return <p>The company has no key of its own.</p>;
  if (state === "removing")
    return <p>The external key is being removed: some of the company still needs it.</p>;
  return (
    <>
      <p>
        {state === "in-force" ? "In force: " : "Not in force yet, everything is being encrypted under: "}
        <span className="break-all">{key}</span>
      </p>
      {answer === "opens" ? (
        <p>{answers.opens}</p>
      ) : (
        answer !== undefined && (
          <Notice kind="warn" title="The external key does not open">
            {answers[answer]}
          </Notice>
        )
      )}
    </>
  );
}

function KeyForm({ company, onDone }: { readonly company: string; readonly onDone: () => void }): ReactNode {
  const client = useTRPCClient();
  const changed = useChanged(onDone);
  const [key, setKey] = useState("");
  const change = useConfirmedChange(
    (arn: string) => client.companies.setExternalKey.mutate({ company, key: arn }),
    {
      why: "Setting the external key needs a recent sign-in.",
      onDone: () => changed("The external key is being put in force"),
    },
  );
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    change.run(key.trim());
  };
  return (
    <form className="grid gap-4" onSubmit={submit}>
      {change.error !== null && <ErrorNotice error={change.error} />}
      <TextField
        label="ARN of the key"
        hint="arn:aws:kms:REGION:ACCOUNT:key/ID"
        value={key}
        onChange={({ target }) => setKey(target.value)}
        required
        maxLength={2048}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
      />
      <Button kind="primary" type="submit" busy={change.isBusy}>
        Set
      </Button>
    </form>
  );
}

interface RemovalProps {
  readonly company: string;
  readonly open: boolean;
  readonly onClose: () => void;
}

function Removal({ company, open, onClose }: RemovalProps): ReactNode {
  const client = useTRPCClient();
  const changed = useChanged(onClose);
  const change = useConfirmedChange(
    (name: string) => client.companies.removeExternalKey.mutate({ company: name }),
    {
      why: "Removing the external key needs a recent sign-in.",
      onDone: () => changed("The external key is being removed"),
    },
  );
  return (
    <ConfirmDialog
      open={open}
      onClose={onClose}
      title="Remove the external key?"
      action="Remove it"
      onConfirm={() => change.run(company)}
      busy={change.isBusy}
    >
      <div className="grid gap-3">
        <p>The keys of the company are wrapped by those of this service alone from then on.</p>
        {change.error !== null && <ErrorNotice error={change.error} />}
      </div>
    </ConfirmDialog>
  );
}

function useChanged(close: () => void): (said: string) => Promise<void> {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const say = useToast();
  return async (said) => {
    await queryClient.invalidateQueries(trpc.companies.pathFilter());
    close();
    say(said);
  };
}
