import { useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { Button } from "../ui/button.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { useToast } from "../ui/toast.tsx";
import { EndingDialog } from "./ending-dialog.tsx";
import { Panel, PanelRow, Section } from "./section.tsx";
import type { Company } from "./words.ts";

/** A company that leaves: its deletion at a date, and the way back until then. */
export function CompanyLeaving({ company }: { readonly company: Company }): ReactNode {
  const { subdomain, deleteAt } = company;
  const [isOpen, setOpen] = useState(false);
  return (
    <Section title="Leaving">
      <Panel>
        {deleteAt === undefined ? (
          <PanelRow title="Delete" action={<Button onClick={() => setOpen(true)}>Delete…</Button>}>
            Suspends the company now, and deletes it after some days. Another operator has to approve it. Have
            the company export its values first.
          </PanelRow>
        ) : (
          <KeepRow subdomain={subdomain} deleteAt={deleteAt} />
        )}
      </Panel>
      <EndingDialog ending="deletion" company={company} open={isOpen} onClose={() => setOpen(false)} />
    </Section>
  );
}

function KeepRow({
  subdomain,
  deleteAt,
}: {
  readonly subdomain: string;
  readonly deleteAt: Date;
}): ReactNode {
  const client = useTRPCClient();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const say = useToast();
  const change = useConfirmedChange(() => client.companies.keep.mutate({ company: subdomain }), {
    why: "Keeping a company needs a recent sign-in.",
    onDone: async () => {
      say(`${subdomain} is kept`);
      await queryClient.invalidateQueries(trpc.companies.pathFilter());
    },
  });
  return (
    <PanelRow
      title="Its deletion is scheduled"
      action={
        <Button busy={change.isBusy} onClick={() => change.run(undefined)}>
          Keep
        </Button>
      }
    >
      For <Time at={deleteAt} as="exact" />. Until then it can be kept, and is as it was before.
      {change.error !== null && <ErrorNotice error={change.error} />}
    </PanelRow>
  );
}
