import type { ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { useNow } from "../ui/time.tsx";
import { providerOf } from "./form-catalog.ts";
import type { Saved, Saving } from "./form-save.ts";
import type { FormTarget } from "./form-target.ts";

interface SavingNoticeProps {
  readonly target: FormTarget;
  readonly saving: Saving;
  /** What was saved though its provider could not be asked. */
  readonly unchecked: Saved | undefined;
  readonly onAskAgain: () => void;
  readonly onSaveAgain: () => void;
  readonly onStage: () => void;
  readonly onClose: () => void;
}

/** What became of a save, where it is not done, and what to do. */
export function SavingNotice(props: SavingNoticeProps): ReactNode {
  const { target, saving, unchecked, onAskAgain, onSaveAgain, onStage, onClose } = props;
  const { entry, current, capabilities } = target;
  const provider = providerOf(entry);
  if (unchecked !== undefined) {
    return (
      <Notice
        kind="warn"
        title={`Saved as version ${unchecked.version}, and not checked`}
        action={<Button onClick={onClose}>Close</Button>}
      >
        {provider} could not be asked whether the value works.
      </Notice>
    );
  }
  switch (saving.step) {
    case "editing":
    case "conflict":
      return undefined;
    case "saving":
      return <Elapsed since={saving.since} />;
    case "unknown":
      return (
        <Notice kind="warn" title="We do not know whether it was saved">
          <p>No answer came. Your draft is here. Saving again is safe: it is applied once.</p>
          <div className="mt-2 flex flex-wrap gap-2">
            <Button onClick={onSaveAgain}>Save again</Button>
            {capabilities.history && <Button onClick={onAskAgain}>Check again</Button>}
          </div>
        </Notice>
      );
    case "not-saved":
      return (
        <Notice
          kind="warn"
          title="It was not saved"
          action={<Button onClick={onSaveAgain}>Save again</Button>}
        >
          {current === undefined
            ? "The secret is not there yet."
            : `Version ${current.version} is still the current one.`}
        </Notice>
      );
    case "rejected":
      return (
        <Notice kind="danger" title={`${provider} rejects this value`}>
          <p>Nothing was saved. Look at {provider} whether it was revoked, or is another account&apos;s.</p>
          {capabilities.stages && current !== undefined && current.version > 0 && (
            <div className="mt-2">
              <Button onClick={onStage}>Save anyway, as pending</Button>
            </div>
          )}
        </Notice>
      );
    case "failed":
      return <ErrorNotice error={saving.error} onRetry={onSaveAgain} />;
  }
}

function Elapsed({ since }: { readonly since: number }): ReactNode {
  const seconds = Math.floor((useNow(1000) - since) / 1000);
  return (
    <p role="status" className="text-small text-muted tabular-nums">
      {seconds < 2 ? "" : `Saving takes longer than usual: ${seconds} s`}
    </p>
  );
}
