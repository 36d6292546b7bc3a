import type { ReactNode } from "react";
import { Dialog } from "../ui/dialog.tsx";
import { EndingForm } from "./ending-form.tsx";
import { endings } from "./endings.ts";
import type { Company } from "./words.ts";

interface EndingDialogProps {
  readonly ending: keyof typeof endings;
  readonly company: Pick<Company, "subdomain" | "secretStore">;
  readonly open: boolean;
  readonly onClose: () => void;
}

/** Before a company ends: what goes, what stays, and the company's name typed. */
export function EndingDialog({ ending, company, open, onClose }: EndingDialogProps): ReactNode {
  const { verb, description } = endings[ending];
  return (
    <Dialog open={open} onClose={onClose} title={`${verb} ${company.subdomain}`} description={description}>
      <EndingForm ending={endings[ending]} company={company} onClose={onClose} />
    </Dialog>
  );
}
