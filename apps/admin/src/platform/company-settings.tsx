import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/field.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { CompanyKey } from "./company-key.tsx";
import { Panel, PanelRow, Section } from "./section.tsx";
import { countOf, type Company } from "./words.ts";

type Edited = "name" | "recovery";

/** What operators change of a company. */
export function CompanySettings({ company }: { readonly company: Company }): ReactNode {
  const { subdomain, recoveryDays, key } = company;
  const [edited, setEdited] = useState<Edited>();
  const close = (): void => setEdited(undefined);
  return (
    <Section title="Settings">
      <Panel>
        <PanelRow title="Subdomain" action={<Button onClick={() => setEdited("name")}>Rename</Button>}>
          <span className="break-all">{subdomain}</span>. A new one breaks the links that people have.
        </PanelRow>
        <PanelRow
          title="Recovery window"
          action={<Button onClick={() => setEdited("recovery")}>Change</Button>}
        >
          A removed secret can be restored for {countOf(recoveryDays, "day")}.
        </PanelRow>
        {key !== undefined && <CompanyKey company={subdomain} companyKey={key} />}
      </Panel>
      <Dialog
        open={edited === "name"}
        onClose={close}
        title={`Rename ${subdomain}`}
        description="Its id, secrets and people stay. Links with the old name end at once."
      >
        <RenameForm subdomain={subdomain} onDone={close} />
      </Dialog>
      <Dialog
        open={edited === "recovery"}
        onClose={close}
        title="Recovery window"
        description="What was removed before keeps the time that it got."
      >
        <RecoveryForm company={company} onDone={close} />
      </Dialog>
    </Section>
  );
}

interface FormProps {
  readonly onDone: () => void;
}

function RenameForm({ subdomain, onDone }: FormProps & { readonly subdomain: string }): ReactNode {
  const client = useTRPCClient();
  const refresh = useRefresh();
  const navigate = useNavigate();
  const [name, setName] = useState(subdomain);
  const rename = useConfirmedChange(
    (to: string) => client.companies.rename.mutate({ company: subdomain, subdomain: to }),
    {
      why: "Renaming a company needs a recent sign-in.",
      onDone: async (answer) => {
        onDone();
        await navigate({
          to: "/platform/companies/$subdomain",
          params: { subdomain: answer.subdomain },
          replace: true,
        });
        await refresh();
      },
    },
  );
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    rename.run(name);
  };
  return (
    <form className="grid gap-4" onSubmit={submit}>
      {rename.error !== null && <ErrorNotice error={rename.error} />}
      <TextField
        label="Subdomain"
        value={name}
        onChange={({ target }) => setName(target.value)}
        required
        maxLength={63}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
      />
      <Button kind="primary" type="submit" busy={rename.isBusy} disabled={name === subdomain}>
        Rename
      </Button>
    </form>
  );
}

function RecoveryForm({ company, onDone }: FormProps & { readonly company: Company }): ReactNode {
  const client = useTRPCClient();
  const refresh = useRefresh();
  const [days, setDays] = useState(String(company.recoveryDays));
  const change = useConfirmedChange(
    (to: number) => client.companies.setRecovery.mutate({ company: company.subdomain, days: to }),
    {
      why: "This needs a recent sign-in.",
      onDone: async () => {
        await refresh();
        onDone();
      },
    },
  );
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    change.run(Number(days));
  };
  return (
    <form className="grid gap-4" onSubmit={submit}>
      {change.error !== null && <ErrorNotice error={change.error} />}
      <TextField
        label="Days"
        hint="7 to 90"
        type="number"
        min={7}
        max={90}
        value={days}
        onChange={({ target }) => setDays(target.value)}
        required
      />
      <Button kind="primary" type="submit" busy={change.isBusy}>
        Save
      </Button>
    </form>
  );
}

/** Asks for what lists and pages say of companies again. */
function useRefresh(): () => Promise<unknown> {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  return () =>
    Promise.all([
      queryClient.invalidateQueries(trpc.companies.list.pathFilter()),
      queryClient.invalidateQueries(trpc.companies.get.pathFilter()),
    ]);
}
