import type { ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { useSecondsUntil } from "../ui/time.tsx";
import { clearClipboard, type Copied } from "./reveal-clipboard.ts";
import { shownMs } from "./reveal-state.ts";

/** For how long a value is still shown: a ring that empties, and the seconds. */
export function ShownLine({ until }: { readonly until: number }): ReactNode {
  const seconds = useSecondsUntil(until);
  const round = 2 * Math.PI * 6;
  return (
    <p className="flex items-center gap-2 text-muted tabular-nums">
      <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden className="-rotate-90">
        <circle cx="8" cy="8" r="6" fill="none" strokeWidth="2" className="stroke-line" />
        <circle
          cx="8"
          cy="8"
          r="6"
          fill="none"
          strokeWidth="2"
          strokeDasharray={round}
          strokeDashoffset={round * (1 - (seconds * 1000) / shownMs)}
          className="stroke-accent"
        />
      </svg>
      Hidden again in {seconds} s
    </p>
  );
}

/** That a value is in the clipboard, and how to take it away. */
export function CopiedLine({ copied }: { readonly copied: Copied }): ReactNode {
  const seconds = useSecondsUntil(copied.until);
  return (
    <div className="grid gap-1 text-muted">
      <div className="flex flex-wrap items-center gap-2 tabular-nums">
        <span role="status">{copied.isOverdue ? "It may still be in the clipboard." : "Copied."}</span>
        <Button kind="quiet" onClick={() => void clearClipboard()}>
          {copied.isOverdue ? "Clear now" : `Clear now (${seconds} s)`}
        </Button>
      </div>
      <p className="text-small">A history of the clipboard that your system keeps has it longer.</p>
    </div>
  );
}
