import { useBlocker } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { drafts } from "./drafts.ts";

/** Asks before a person leaves the secrets of a company with a value that is not saved. Between its pages it does not ask. */
export function DraftGuard({
  company,
  secretKey,
}: {
  readonly company: string;
  readonly secretKey: string;
}): ReactNode {
  const blocker = useBlocker({
    shouldBlockFn: ({ next }) =>
      drafts.find(company, secretKey) !== undefined && !next.pathname.startsWith(`/c/${company}/secrets`),
    enableBeforeUnload: false,
    withResolver: true,
  });
  if (blocker.status !== "blocked") return undefined;
  return (
    <Dialog
      open
      onClose={blocker.reset}
      title={`${secretKey} is not saved`}
      description="The draft stays here until you sign out or close the window."
    >
      <div className="flex flex-wrap justify-end gap-2">
        <Button onClick={blocker.reset}>Stay</Button>
        <Button kind="primary" onClick={blocker.proceed}>
          Leave, keep draft
        </Button>
      </div>
    </Dialog>
  );
}
