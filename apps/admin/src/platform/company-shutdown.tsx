import { useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { useToast } from "../ui/toast.tsx";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { EndingDialog } from "./ending-dialog.tsx";
import { ReceiptButton } from "./receipt-button.tsx";
import { Panel, PanelRow, Section } from "./section.tsx";
import type { Company } from "./words.ts";

/** Shuts a company for a time, or for good. */
export function CompanyShutdown({ company }: { readonly company: Company }): ReactNode {
  const { subdomain, shreddedAt } = company;
  const [isShredding, setShredding] = useState(false);
  if (shreddedAt !== undefined) {
    return (
      <Section title="Shredded">
        <Panel>
          <PanelRow title="Its keys were destroyed" action={<ReceiptButton subdomain={subdomain} />}>
            <Time at={shreddedAt} as="exact" />. No value in the database can be decrypted any more. The
            receipt says which backups still could, and until when.
          </PanelRow>
        </Panel>
      </Section>
    );
  }
  return (
    <Section title="Shut down">
      <Panel>
        <SuspensionRow company={company} />
        <PanelRow title="Shred" action={<Button onClick={() => setShredding(true)}>Shred…</Button>}>
          Destroys the company’s keys, so that no value can be decrypted again. Another operator has to
          approve it. It cannot be undone.
        </PanelRow>
      </Panel>
      <EndingDialog
        ending="shredding"
        company={company}
        open={isShredding}
        onClose={() => setShredding(false)}
      />
    </Section>
  );
}

function SuspensionRow({
  company: { subdomain, status, deleteAt },
}: {
  readonly company: Company;
}): ReactNode {
  const client = useTRPCClient();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const say = useToast();
  const [isOpen, setOpen] = useState(false);
  const isSuspended = status === "suspended";
  const input = { company: subdomain };
  const change = useConfirmedChange(
    () => (isSuspended ? client.companies.resume.mutate(input) : client.companies.suspend.mutate(input)),
    {
      why: "Suspending a company needs a recent sign-in.",
      onDone: async (answer) => {
        setOpen(false);
        say(answer.status === "suspended" ? `Suspended ${subdomain}` : `Resumed ${subdomain}`);
        await Promise.all([
          queryClient.invalidateQueries(trpc.companies.get.pathFilter()),
          queryClient.invalidateQueries(trpc.companies.list.pathFilter()),
        ]);
      },
    },
  );
  if (deleteAt !== undefined)
    return <PanelRow title="Suspended">Until its deletion. Keeping the company opens it again.</PanelRow>;
  if (isSuspended) {
    return (
      <PanelRow
        title="Suspended"
        action={
          <Button busy={change.isBusy} onClick={() => change.run(undefined)}>
            Resume
          </Button>
        }
      >
        Its secrets are shut for people and programs alike.
        {change.error !== null && <ErrorNotice error={change.error} />}
      </PanelRow>
    );
  }
  return (
    <>
      <PanelRow title="Suspend" action={<Button onClick={() => setOpen(true)}>Suspend…</Button>}>
        Shuts its secrets for people and programs at once. Nothing is deleted, and it can be resumed.
      </PanelRow>
      <ConfirmDialog
        open={isOpen}
        onClose={() => setOpen(false)}
        title={`Suspend ${subdomain}`}
        action="Suspend"
        onConfirm={() => change.run(undefined)}
        busy={change.isBusy}
      >
        <p>From now on the company’s software gets no credential, in every process.</p>
        {change.error !== null && <ErrorNotice error={change.error} />}
      </ConfirmDialog>
    </>
  );
}
