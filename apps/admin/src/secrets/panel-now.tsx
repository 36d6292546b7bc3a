import { ExternalLink, Trash2 } from "lucide-react";
import { lazy, Suspense, useState, type ReactNode } from "react";
import { useCompany } from "../frame/account.ts";
import { Button } from "../ui/button.tsx";
import { useToast } from "../ui/toast.tsx";
import { useDraft } from "./drafts.ts";
import type { EntryDescription } from "../frame/catalog.ts";
import type { SecretDescription, SecretList } from "./form-catalog.ts";
import { ReplaceForm } from "./form.tsx";
import { Facts } from "./panel-facts.tsx";
import type { PanelPart } from "./panel-part.tsx";
import { RemoveDialog } from "./removed-remove.tsx";
import { SecretValue } from "./reveal.tsx";
import { PendingVersion } from "./stage.tsx";

const SecretRotation = lazy(async () => ({
  default: (await import("./panel-rotation.tsx")).SecretRotation,
}));

interface SecretNowProps {
  readonly list: SecretList;
  readonly secret: SecretDescription;
  readonly entry: EntryDescription | undefined;
  /** What it was opened for. */
  readonly part: PanelPart | undefined;
  /** It was removed. */
  readonly onRemoved: () => void;
}

/** A secret as it is now, and what the role may do with it. */
export function SecretNow({ list, secret, entry, part, onRemoved }: SecretNowProps): ReactNode {
  const { subdomain: company, can } = useCompany();
  const { secretKey } = secret;
  const say = useToast();
  const draft = useDraft(company, secretKey);
  const [isReplacing, setReplacing] = useState(draft !== undefined || part === "replace");
  const [isRemoving, setRemoving] = useState(false);
  if (isReplacing && can("write")) {
    return (
      <ReplaceForm
        company={company}
        secretKey={secretKey}
        onDone={({ version, isPending }) => {
          say(`${secretKey} was ${isPending ? "staged" : "saved"} as version ${version}`);
          setReplacing(false);
        }}
        onCancel={() => setReplacing(false)}
      />
    );
  }
  return (
    <div className="grid gap-4">
      <About entry={entry} />
      <SecretValue secret={secret} entry={entry} takesFocus={part === "reveal"} />
      <Facts list={list} secret={secret} entry={entry} />
      <PendingVersion company={company} secret={secret} canWrite={can("write")} />
      {(can("write") || can("delete")) && entry !== undefined && (
        <div className="flex flex-wrap items-center gap-2 border-t border-line pt-4">
          {can("write") && (
            <Button onClick={() => setReplacing(true)}>
              {draft === undefined ? "Replace value" : "Continue with the draft"}
            </Button>
          )}
          {can("delete") && (
            <Button kind="quiet" icon={Trash2} onClick={() => setRemoving(true)}>
              Remove
            </Button>
          )}
        </div>
      )}
      {list.capabilities.rotation && (
        <Suspense fallback={null}>
          <SecretRotation secret={secret} />
        </Suspense>
      )}
      {isRemoving && (
        <RemoveDialog
          company={company}
          list={list}
          secret={secret}
          onClose={() => setRemoving(false)}
          onRemoved={onRemoved}
        />
      )}
    </div>
  );
}

function About({ entry }: { readonly entry: EntryDescription | undefined }): ReactNode {
  if (entry === undefined) return null;
  return (
    <div className="grid gap-1">
      <p className="font-medium">{entry.label}</p>
      {entry.purpose !== undefined && <p className="text-muted">{entry.purpose}</p>}
      {entry.docsUrl !== undefined && (
        <p>
          <a
            href={entry.docsUrl}
            rel="noreferrer"
            target="_blank"
            className="inline-flex min-h-6 items-center gap-1 text-accent hover:underline"
          >
            Where its provider has it
            <ExternalLink size={12} aria-hidden />
          </a>
        </p>
      )}
    </div>
  );
}
