import { Check, Copy, Download } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Button } from "../ui/button.tsx";

interface BackupCodesProps {
  readonly codes: readonly string[];
  /** The person has put them somewhere. They are shown no other time. */
  readonly onKept: () => void;
}

/** For the day on which the phone is lost. */
export function BackupCodes({ codes, onKept }: BackupCodesProps): ReactNode {
  const [isCopied, setCopied] = useState(false);
  const text = codes.join("\n");
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <div className="grid gap-4">
      <p>
        Each of these codes signs you in once, if you have lost your phone or passkey. They are shown this
        once: keep them where you keep passwords.
      </p>
      <ul
        aria-label="Backup codes"
        translate="no"
        className="grid grid-cols-2 gap-x-4 gap-y-2 rounded-panel border border-line bg-sunken px-4 py-3 font-mono text-code"
      >
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
      <div className="flex flex-wrap gap-2">
        <Button icon={Download} onClick={() => download(text)}>
          Download
        </Button>
        <Button icon={isCopied ? Check : Copy} onClick={() => void copy()}>
          {isCopied ? "Copied" : "Copy"}
        </Button>
        <span className="flex-1" />
        <Button kind="primary" onClick={onKept}>
          I kept them
        </Button>
      </div>
    </div>
  );
}

function download(text: string): void {
  const url = URL.createObjectURL(new Blob([`${text}\n`], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = "tenant-secrets-backup-codes.txt";
  link.click();
  URL.revokeObjectURL(url);
}
