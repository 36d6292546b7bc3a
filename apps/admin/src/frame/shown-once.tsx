import { useBlocker } from "@tanstack/react-router";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { Copy } from "../ui/copy.tsx";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { Notice } from "../ui/notice.tsx";
import { Page } from "./page.tsx";
import { otherPerson } from "./session.ts";

interface ShownOncePageProps {
  readonly title: string;
  /** "key": what was made, as the questions call it. */
  readonly what: string;
  readonly text: string;
  readonly copyLabel: string;
  /** What it is for, and what becomes of a lost one. */
  readonly hint: string;
  /** What a person loses who leaves without it. */
  readonly loss: string;
  /** After the person has said that they have kept it. */
  readonly onKept: () => void;
  readonly children: ReactNode;
}

/** What was made and is shown this once. Leaving asks until the person says that they have kept it. */
export function ShownOncePage(props: ShownOncePageProps): ReactNode {
  const { title, what, text, copyLabel, hint, loss, onKept, children } = props;
  const isKept = useRef(false);
  const [isGone, setGone] = useState(false);
  const blocker = useBlocker({
    shouldBlockFn: () => !isKept.current,
    enableBeforeUnload: () => !isKept.current,
    withResolver: true,
  });
  useEffect(() => {
    // Another person at the same page does not see it.
    const forget = (): void => {
      isKept.current = true;
      setGone(true);
    };
    addEventListener(otherPerson, forget);
    return () => removeEventListener(otherPerson, forget);
  }, []);
  const keep = (): void => {
    isKept.current = true;
    onKept();
  };
  if (isGone) return null;
  return (
    <Page title={title}>
      <div className="grid max-w-[720px] gap-6">
        <Notice kind="warn" title="It is shown this once">
          {hint}
        </Notice>
        <div className="flex items-center gap-2 rounded-panel border border-line bg-sunken p-3 print:hidden">
          <code translate="no" className="min-w-0 flex-1 py-1 font-mono text-code break-all select-all">
            {text}
          </code>
          <Copy text={text} label={copyLabel} />
        </div>
        {children}
        <div>
          <Button kind="primary" onClick={keep}>
            I have kept it
          </Button>
        </div>
      </div>
      <ConfirmDialog
        open={blocker.status === "blocked"}
        onClose={() => blocker.reset?.()}
        title={`Have you copied the ${what}?`}
        action="Leave without it"
        onConfirm={() => blocker.proceed?.()}
      >
        {loss}
      </ConfirmDialog>
    </Page>
  );
}
