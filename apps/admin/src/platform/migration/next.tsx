import { useMutation } from "@tanstack/react-query";
import { ArrowRight, Undo2 } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useTRPCClient } from "../../api.ts";
import type { Run } from "../../frame/runs.ts";
import { Button } from "../../ui/button.tsx";
import { ErrorNotice } from "../../ui/notice.tsx";
import { StartSheet, type Prefilled } from "./form.tsx";
import { lossesOf, type PlannedLosses } from "./losses.tsx";
import { nextOf, type NextStep } from "./next-steps.ts";
import { readCompanies } from "./run.ts";
import type { MigrationAnswer } from "./words.ts";

interface Begun {
  readonly prefilled: Prefilled;
  readonly losses: PlannedLosses | undefined;
}

/** What can be begun with the same companies, after a migration has ended. */
export function Next({ run, page }: { readonly run: Run; readonly page: MigrationAnswer }): ReactNode {
  const client = useTRPCClient();
  const [begun, setBegun] = useState<Begun>();
  const prepare = useMutation({
    mutationFn: async ({ draft }: NextStep) => ({ draft, companies: await readCompanies(client, run.id) }),
    onSuccess: ({ draft, companies }) =>
      setBegun({
        prefilled: {
          ...draft,
          ofAll: companies === undefined,
          named: (companies ?? []).map(({ company }) => company.subdomain).join(", "),
        },
        losses: companies !== undefined && tellsLosses(page) ? lossesOf(companies) : undefined,
      }),
  });
  const steps = nextOf(page);
  if (steps.length === 0) return null;
  const { blocked, failed, waiting } = page.counts;
  const isClean = blocked + failed + waiting === 0;
  return (
    <div role="group" aria-label="What comes next" className="flex flex-wrap items-center gap-2">
      {steps.map((step) => (
        <Button
          key={step.label}
          kind={isClean && step === steps[0] && !step.isBack ? "primary" : "secondary"}
          icon={step.isBack ? Undo2 : ArrowRight}
          busy={prepare.isPending}
          onClick={() => prepare.mutate(step)}
        >
          {step.label}
        </Button>
      ))}
      {prepare.error !== null && <ErrorNotice error={prepare.error} />}
      {begun !== undefined && <StartSheet {...begun} onClose={() => setBegun(undefined)} />}
    </div>
  );
}

/** Whether its findings are what a roll back to Infisical would lose. */
function tellsLosses({ verb, before, to }: MigrationAnswer): boolean {
  return (verb === "plan" && before === "rollback") || (verb === "rollback" && to === "infisical");
}
