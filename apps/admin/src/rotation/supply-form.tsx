import { useState, type ReactNode } from "react";
import { useCompany } from "../frame/account.ts";
import { entryOf, useCatalog, type EntryDescription } from "../frame/catalog.ts";
import { mistakesOf, partsOf, partsOfText, valueOf } from "../frame/value-form.ts";
import { Button } from "../ui/button.tsx";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { Notice } from "../ui/notice.tsx";
import { useToast } from "../ui/toast.tsx";
import { ValueField } from "../ui/value-field.tsx";
import { Refusal } from "./refusal.tsx";
import type { RunDetails } from "./run-details.ts";
import { useSupplying } from "./supplying.ts";

interface SupplyFormProps {
  readonly run: RunDetails;
  readonly provider: string;
}

/** Takes the value that a person made at the provider. The provider is asked about it before anything is stored. */
export function SupplyForm({ run, provider }: SupplyFormProps): ReactNode {
  const entry = entryOf(useCatalog(), run.secretKey);
  return entry === undefined ? (
    <Notice kind="warn">The catalogue has no such secret key any more: abort the rotation.</Notice>
  ) : (
    <Fields run={run} provider={provider} entry={entry} />
  );
}

function Fields({ run, provider, entry }: SupplyFormProps & { readonly entry: EntryDescription }): ReactNode {
  const { subdomain: company } = useCompany();
  const say = useToast();
  const [parts, setParts] = useState<Readonly<Record<string, string>>>({});
  const [isTried, setTried] = useState(false);
  const { supplying, supply, edit } = useSupplying({
    company,
    run: run.id,
    onStaged: (version) => {
      setParts({});
      say(`Version ${version} is pending: the rotation goes on`);
    },
  });
  const mistakes = mistakesOf(entry, parts);
  const isBusy = supplying.step === "asking";
  const change = (next: Readonly<Record<string, string>>): void => {
    setParts(next);
    edit();
  };
  const submit = (): void => {
    setTried(true);
    if (Object.keys(mistakes).length === 0 && !isBusy) void supply(valueOf(entry, parts), false);
  };
  return (
    <form
      noValidate
      className="grid max-w-[640px] gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {partsOf(entry).map(({ name, label, isSecret, isMultiline }) => {
        const text = parts[name] ?? "";
        const rule = text !== "" || isTried ? mistakes[name] : undefined;
        return (
          <ValueField
            key={name}
            label={name === "" ? "New value" : label}
            value={text}
            onChange={(typed) => change({ ...parts, [name]: typed })}
            onEnter={submit}
            onPaste={(pasted) => {
              const filled = partsOfText(entry, pasted);
              if (filled !== undefined) change({ ...parts, ...filled });
              return filled !== undefined;
            }}
            error={rule === undefined ? undefined : `${name === "" ? "A value" : label} ${rule}.`}
            isMultiline={isMultiline}
            isSecret={isSecret}
            disabled={isBusy}
          />
        );
      })}
      {supplying.step === "refused" && <Refusal error={supplying.error} title="Not accepted" />}
      <div className="flex flex-wrap items-center gap-3">
        <Button kind="primary" type="submit" busy={isBusy}>
          Check and go on
        </Button>
        <span role="status" className="text-small text-muted">
          {isBusy
            ? `${provider} is asked about the value.`
            : "It is stored only once the provider has not refused it."}
        </span>
      </div>
      {/* The dialog has a form of its own. */}
      <ConfirmDialog
        open={supplying.step === "unknown-account"}
        onClose={edit}
        title="Is it of the same account?"
        action="It is of the same account"
        typed={company}
        onConfirm={() => void supply(valueOf(entry, parts), true)}
      >
        {provider} does not say which account the value belongs to. Look there whether it is that of {company}
        , in the same mode as the key that is in use.
      </ConfirmDialog>
    </form>
  );
}
