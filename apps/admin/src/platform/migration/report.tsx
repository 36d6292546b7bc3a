import { Download } from "lucide-react";
import type { ReactNode } from "react";
import { useTRPCClient } from "../../api.ts";
import { useConfirmedChange } from "../../frame/confirmed-change.ts";
import { Button } from "../../ui/button.tsx";
import { Command } from "../../ui/command.tsx";
import { ErrorNotice } from "../../ui/notice.tsx";
import { saveFile } from "../save-file.ts";
import { Section } from "../section.tsx";

/** The signed report of a finished migration, as the file that `secrets migrate verify-report` takes. */
export function MigrationReport({ run }: { readonly run: string }): ReactNode {
  const client = useTRPCClient();
  const name = `migration-${run}.json`;
  const fetchReport = useConfirmedChange(() => client.migrations.report.query({ run }), {
    why: "The report needs a recent sign-in.",
    onDone: (signed) => saveFile(name, JSON.stringify(signed)),
  });
  return (
    <Section
      title="Report"
      hint="What became of each company, signed by the key that signs the audit log. It is verified without this service, by the public keys alone."
      action={
        <Button icon={Download} busy={fetchReport.isBusy} onClick={() => fetchReport.run(undefined)}>
          Download the report
        </Button>
      }
    >
      {fetchReport.error !== null && <ErrorNotice error={fetchReport.error} />}
      <Command text="pnpm secrets audit public-key > audit-keys.pem" />
      <Command text={`pnpm secrets migrate verify-report ${name} --public-key audit-keys.pem`} />
    </Section>
  );
}
