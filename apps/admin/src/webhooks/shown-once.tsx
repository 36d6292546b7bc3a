import { useBlocker } from "@tanstack/react-router";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { Page } from "../frame/page.tsx";
import { otherPerson } from "../frame/session.ts";
import { Button } from "../ui/button.tsx";
import { Copy } from "../ui/copy.tsx";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { Notice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import type { MadeSecret } from "./making.ts";
import { PublicKey } from "./public-key.tsx";
import { nameOf } from "./words.ts";

interface ShownOnceProps {
  readonly made: MadeSecret;
  /** After the person has said that they have kept it. */
  readonly onKept: () => void;
}

/** The secret of an endpoint, this once. Leaving asks until the person says that they have kept it. */
export function ShownOnce({ made: { secret, endpoint }, onKept }: ShownOnceProps): ReactNode {
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
  const { previousSecretUntil, publicKey } = endpoint;
  return (
    <Page title={`Secret of ${nameOf(endpoint)}`}>
      <div className="grid max-w-[720px] gap-6">
        <Notice kind="warn" title="It is shown this once">
          The receiver verifies notifications with it. No page shows it again; a lost one is rolled.
        </Notice>
        <div className="flex items-center gap-2 rounded-panel border border-line bg-sunken p-3 print:hidden">
          <code translate="no" className="min-w-0 flex-1 py-1 font-mono text-code break-all select-all">
            {secret}
          </code>
          <Copy text={secret} label="Copy the secret" />
        </div>
        {previousSecretUntil !== undefined && (
          <p className="text-muted">
            The secret before it signs as well until <Time at={previousSecretUntil} as="exact" />.
          </p>
        )}
        <section aria-label="Public key" className="grid gap-1">
          <h2 className="text-section font-medium">Public key</h2>
          <p className="text-muted">
            It verifies the signatures v1a in place of the secret, and is no secret itself. The page of the
            endpoint shows it at any time.
          </p>
          <PublicKey text={publicKey} />
        </section>
        <div>
          <Button kind="primary" onClick={keep}>
            I have kept it
          </Button>
        </div>
      </div>
      <ConfirmDialog
        open={blocker.status === "blocked"}
        onClose={() => blocker.reset?.()}
        title="Have you copied the secret?"
        action="Leave without it"
        onConfirm={() => blocker.proceed?.()}
      >
        It is not shown again. One that was not copied is of no use: roll it.
      </ConfirmDialog>
    </Page>
  );
}
