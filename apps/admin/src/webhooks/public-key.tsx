import type { ReactNode } from "react";
import { Copy } from "../ui/copy.tsx";

/** The key that verifies the signatures v1a. */
export function PublicKey({ text }: { readonly text: string }): ReactNode {
  return (
    <span className="flex items-center gap-1">
      <code translate="no" className="min-w-0 font-mono text-code break-all">
        {text}
      </code>
      <Copy text={text} label="Copy the public key" />
    </span>
  );
}
