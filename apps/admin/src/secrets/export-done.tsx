import { FileCheck } from "lucide-react";
import type { ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { Button } from "../ui/button.tsx";
import { download } from "../ui/download.ts";
import { Notice } from "../ui/notice.tsx";

/** An answer without its file. */
export type Exported = Omit<ApiAnswers["secrets"]["export"], "file">;

const reasons = {
  "write-only": "is never shown to a person",
  "not-in-catalogue": "is not in the catalogue",
  unusable: "has a value that no file can hold",
} as const;

interface DoneProps {
  readonly company: string;
  readonly exported: Exported;
  readonly onClose: () => void;
}

/** What is in the file that was downloaded, and what is not. */
export function Done({ company, exported, onClose }: DoneProps): ReactNode {
  const { secretKeys, leftOut, receipt } = exported;
  return (
    <div className="grid gap-4">
      <Notice
        kind="ok"
        title={`${secretKeys.length === 1 ? "1 secret is" : `${secretKeys.length} secrets are`} in the file`}
      >
        {receipt === undefined
          ? "Delete it when it has served its purpose: it is not encrypted."
          : "Only its recipients can open it, with age -d. The receipt says what was handed over; it stays in Settings, too."}
      </Notice>
      {leftOut.length > 0 && (
        <section aria-label="Left out" className="grid gap-1">
          <h2 className="font-medium">Left out</h2>
          <ul className="grid gap-1">
            {leftOut.map(({ secretKey, reason }) => (
              <li key={secretKey}>
                <span className="font-mono text-code break-all">{secretKey}</span>{" "}
                <span className="text-muted">{reasons[reason]}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      <div className="flex flex-wrap justify-end gap-2">
        {receipt !== undefined && (
          <Button
            icon={FileCheck}
            onClick={() => download(`${company}-export-receipt.json`, `${JSON.stringify(receipt)}\n`)}
          >
            Download the receipt
          </Button>
        )}
        <Button kind="primary" onClick={onClose}>
          Close
        </Button>
      </div>
    </div>
  );
}
