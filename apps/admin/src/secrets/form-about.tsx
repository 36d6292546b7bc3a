import { ExternalLink } from "lucide-react";
import type { ReactNode } from "react";
import { Time } from "../ui/time.tsx";
import type { FormTarget } from "./form-target.ts";

/** What a secret is for, where its provider has it, and what is set now. */
export function FormAbout({ entry, current }: Pick<FormTarget, "entry" | "current">): ReactNode {
  return (
    <div className="grid gap-1 text-muted">
      {entry.purpose !== undefined && <p>{entry.purpose}</p>}
      {entry.docsUrl !== undefined && (
        <p>
          <a
            href={entry.docsUrl}
            target="_blank"
            rel="noreferrer"
            className="inline-flex items-center gap-1 text-accent underline-offset-2 hover:underline"
          >
            Where to find it at {new URL(entry.docsUrl).hostname}
            <ExternalLink size={12} aria-hidden />
          </a>
        </p>
      )}
      {current !== undefined && (
        <p className="tabular-nums">
          Set: version {current.version}
          {current.lastFour !== undefined && (
            <>
              , ends with <span className="font-mono text-code">{current.lastFour}</span>
            </>
          )}
          , saved <Time at={current.updatedAt} />
        </p>
      )}
    </div>
  );
}
