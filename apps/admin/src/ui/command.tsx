import type { ReactNode } from "react";
import { Copy } from "./copy.tsx";

/** A command, to be copied as it is. */
export function Command({ text }: { readonly text: string }): ReactNode {
  return (
    <div className="flex items-start gap-1 rounded-control border border-line bg-sunken py-1 pr-1 pl-3">
      <code translate="no" className="min-w-0 flex-1 py-1.5 font-mono text-code break-words">
        {text}
      </code>
      <Copy text={text} label="Copy the command" />
    </div>
  );
}
