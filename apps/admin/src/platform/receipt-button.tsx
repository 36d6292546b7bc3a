import { Download } from "lucide-react";
import type { ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { saveFile } from "./save-file.ts";

/** The receipt of a shredded company, as the file that `secrets keys verify-receipt` takes. */
export function ReceiptButton({ subdomain }: { readonly subdomain: string }): ReactNode {
  const client = useTRPCClient();
  const fetchReceipt = useConfirmedChange(() => client.companies.receipt.query({ company: subdomain }), {
    why: "The receipt needs a recent sign-in.",
    onDone: (receipt) => saveFile(`shredding-${subdomain}.json`, JSON.stringify(receipt)),
  });
  return (
    <div className="grid justify-items-end gap-2">
      <Button icon={Download} busy={fetchReceipt.isBusy} onClick={() => fetchReceipt.run(undefined)}>
        Download the receipt
      </Button>
      {fetchReceipt.error !== null && <ErrorNotice error={fetchReceipt.error} />}
    </div>
  );
}
