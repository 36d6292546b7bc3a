import { ShieldCheck } from "lucide-react";
import type { ReactNode } from "react";
import { useTRPCClient } from "../../api.ts";
import { useToldChange } from "../../frame/confirmed-change.ts";
import { Button } from "../../ui/button.tsx";
import { ErrorNotice } from "../../ui/notice.tsx";
import { saveFile } from "../save-file.ts";

/** Looks at all that this region has of companies, and saves the report, which `secrets regions verify-report` takes. */
export function VerifyRegions(): ReactNode {
  const client = useTRPCClient();
  const verify = useToldChange(() => client.regions.verify.query({}), {
    why: "Verifying needs a recent sign-in.",
    say: ({ report }) => `The report was saved: ${inWords(countFaults(report))}`,
    onDone: (signed) => saveFile("region-report.json", JSON.stringify(signed)),
    affects: [],
  });
  return (
    <div className="grid justify-items-end gap-2">
      <Button icon={ShieldCheck} busy={verify.isBusy} onClick={() => verify.run(undefined)}>
        Verify
      </Button>
      {verify.error !== null && <ErrorNotice error={verify.error} />}
    </div>
  );
}

/** @param report JSON, as this region's API made it */
function countFaults(report: string): number {
  const content: unknown = JSON.parse(report);
  const listed: unknown = Reflect.get(Object(content), "faults");
  const more: unknown = Reflect.get(Object(content), "moreFaults");
  return (Array.isArray(listed) ? listed.length : 0) + (typeof more === "number" ? more : 0);
}

function inWords(faults: number): string {
  return faults === 0 ? "nothing is wrong" : faults === 1 ? "1 fault" : `${faults} faults`;
}
