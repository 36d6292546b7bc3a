import { Check, Copy as CopyIcon } from "lucide-react";
import { useEffect, useState, type ReactNode } from "react";
import { IconButton } from "./button.tsx";

/** Copies a text that is no secret, such as an id or a command. Values are copied by secrets/reveal alone. */
export function Copy({ text, label }: { readonly text: string; readonly label: string }): ReactNode {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [isCopied]);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <>
      <IconButton
        label={isCopied ? "Copied" : label}
        icon={isCopied ? Check : CopyIcon}
        onClick={() => void copy()}
      />
      <span role="status" className="sr-only">
        {isCopied ? "Copied" : ""}
      </span>
    </>
  );
}
