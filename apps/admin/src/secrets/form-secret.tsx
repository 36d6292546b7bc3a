import { useEffect, useRef, useState, type ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { ConflictView } from "./conflict.tsx";
import { DraftGuard } from "./drafts-guard.tsx";
import { drafts, useDraft, type Draft, type DraftContent } from "./drafts.ts";
import { FormAbout } from "./form-about.tsx";
import { endsWithLineBreak, FormFields } from "./form-fields.tsx";
import { FormOptions } from "./form-options.tsx";
import { useSaving, type Saved } from "./form-save.ts";
import { mistakesOf, valueOf } from "../frame/value-form.ts";
import { SavingNotice } from "./form-notice.tsx";
import type { FormTarget } from "./form-target.ts";
import { Generate } from "./generate.tsx";

interface SecretFormProps {
  readonly target: FormTarget;
  readonly onDone: (saved: Saved) => void;
  readonly onCancel: () => void;
}

/** Adds a secret or replaces its value. What is typed is a draft, which stays until it is saved or discarded. */
export function SecretForm({ target, onDone, onCancel }: SecretFormProps): ReactNode {
  const { company, secretKey, entry, current, capabilities } = target;
  const stored = useDraft(company, secretKey);
  const [local, setLocal] = useState(() => newDraft(target));
  // Until something is typed, the version that the person sees is the one that the list shows.
  const draft = stored ?? { ...local, base: current?.version ?? 0 };
  const [isTried, setTried] = useState(false);
  const [unchecked, setUnchecked] = useState<Saved>();
  const field = useRef<HTMLTextAreaElement>(null);
  const isNew = current === undefined;
  useEffect(() => field.current?.focus(), []);

  const discard = (): void => {
    drafts.set(company, secretKey, null);
    setLocal(newDraft(target));
  };
  const { saving, save, generate, askAgain, edit } = useSaving({
    company,
    secretKey,
    capabilities,
    onSaved: (saved) => {
      discard();
      setTried(false);
      if (saved.check === "unknown") setUnchecked(saved);
      else onDone(saved);
    },
  });
  const isSaving = saving.step === "saving";

  /** Other content is another request, which is applied beside the one before. */
  const change = (changed: Partial<DraftContent>): Draft => {
    const next = { ...draft, ...changed, requestId: crypto.randomUUID() };
    // Options alone are no draft: nothing is lost with them.
    drafts.set(company, secretKey, isEmpty(next) ? null : next);
    setLocal(next);
    edit();
    return next;
  };

  const mistakes = mistakesOf(entry, draft.parts);
  const isAsking = endsWithLineBreak(draft) && draft.keepsLineBreak !== true;
  const submit = (sent: Draft = draft, expectedVersion = sent.base): void => {
    setTried(true);
    if (Object.keys(mistakes).length > 0) field.current?.focus();
    if (Object.keys(mistakes).length > 0 || isAsking || isSaving) return;
    const value = valueOf(entry, sent.parts);
    const replacesPending = current?.pendingVersion !== undefined;
    void save({ value, draft: sent, expectedVersion, replacesPending });
  };

  if (saving.step === "conflict") {
    return (
      <ConflictView
        target={target}
        value={valueOf(entry, draft.parts)}
        theirVersion={saving.currentVersion}
        onSaveMine={() => submit(change({ base: saving.currentVersion }), saving.currentVersion)}
        onKeepTheirs={() => {
          discard();
          onCancel();
        }}
        onBack={() => change({ base: saving.currentVersion })}
      />
    );
  }
  return (
    <form
      autoComplete="off"
      aria-label={isNew ? `Add ${secretKey}` : `Replace ${secretKey}`}
      className="grid gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <DraftGuard company={company} secretKey={secretKey} />
      <FormAbout entry={entry} current={current} />
      <FormFields
        ref={field}
        entry={entry}
        draft={draft}
        onEdit={change}
        onEnter={submit}
        mistakes={mistakes}
        isTried={isTried}
        isNew={isNew}
        disabled={isSaving}
        keepsEnds={capabilities.surroundingWhiteSpace}
      />
      {entry.generates !== undefined && isEmpty(draft) && (
        <Generate
          saves={saveLabel(target, draft)}
          busy={isSaving}
          onGenerate={() => void generate({ draft, expectedVersion: draft.base })}
        />
      )}
      <FormOptions
        entry={entry}
        current={current}
        capabilities={capabilities}
        draft={draft}
        onEdit={change}
      />
      <SavingNotice
        target={target}
        saving={saving}
        unchecked={unchecked}
        onAskAgain={() => void askAgain(draft.base)}
        onSaveAgain={() => submit()}
        onStage={() => submit(change({ stage: true, check: false }))}
        onClose={() => unchecked !== undefined && onDone(unchecked)}
      />
      <div className="flex flex-wrap gap-2">
        <Button kind="primary" type="submit" busy={isSaving} disabled={isAsking}>
          {isSaving ? "Saving…" : saveLabel(target, draft)}
        </Button>
        <Button onClick={onCancel}>{stored === undefined ? "Cancel" : "Close, keep draft"}</Button>
        {stored !== undefined && (
          <Button kind="quiet" onClick={discard} disabled={isSaving}>
            Discard draft
          </Button>
        )}
      </div>
    </form>
  );
}

function newDraft({ entry, current }: FormTarget): Draft {
  return {
    requestId: crypto.randomUUID(),
    base: current?.version ?? 0,
    parts: {},
    note: "",
    graceSeconds: 0,
    expires: "",
    check: entry.check !== undefined,
    stage: false,
  };
}

function isEmpty({ parts, note }: DraftContent): boolean {
  return note === "" && Object.values(parts).every((text) => text === "");
}

function saveLabel({ current }: FormTarget, { stage }: DraftContent): string {
  if (current === undefined) return "Add secret";
  if (current.lastVersion === undefined) return "Save new value";
  return stage ? `Stage as version ${current.lastVersion + 1}` : `Save as version ${current.lastVersion + 1}`;
}
