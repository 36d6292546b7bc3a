import { useQuery } from "@tanstack/react-query";
import { Download, ShieldCheck } from "lucide-react";
import { useState, type ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC, useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { Copy } from "../ui/copy.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { SkeletonRows } from "../ui/skeleton.tsx";
import { Time } from "../ui/time.tsx";
import { reasonOf } from "../errors.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { readReport, type Damage } from "./report-text.ts";
import { saveFile } from "./save-file.ts";
import { Facts, Section } from "./section.tsx";

type Signed = NonNullable<ApiAnswers["keys"]["report"]>;

/** The report of the last rotation that was finished. Asked for by a click: reading it is audited. */
export function RotationReport(): ReactNode {
  const trpc = useTRPC();
  const [isShown, setShown] = useState(false);
  const query = useQuery(
    trpc.keys.report.queryOptions({}, { enabled: isShown, gcTime: 0, refetchOnMount: "always" }),
  );
  return (
    <Section
      title="Report of the last rotation"
      hint="What was under which key before and after, and what did not open."
      action={!isShown && <Button onClick={() => setShown(true)}>Show the report</Button>}
    >
      {isShown && (
        <Loaded query={query} skeleton={<SkeletonRows rows={3} />}>
          {(signed) =>
            signed === null ? (
              <p className="text-muted">The master key was not rotated yet.</p>
            ) : (
              <Report signed={signed} />
            )
          }
        </Loaded>
      )}
    </Section>
  );
}

function Report({ signed }: { readonly signed: Signed }): ReactNode {
  const client = useTRPCClient();
  const [isGenuine, setGenuine] = useState(false);
  const verify = useConfirmedChange(() => client.keys.verifyReport.mutate(signed), {
    why: "This needs a recent sign-in.",
    onDone: () => setGenuine(true),
  });
  const report = readReport(signed.report);
  if (report === undefined) return <Notice kind="danger" title="This report cannot be read" />;
  const { rotation, fromVersion, toVersion, finishedAt, companiesOpened, backup, damage } = report;
  return (
    <div className="grid gap-3">
      {damage.length > 0 && <Damages damage={damage} />}
      <Facts
        facts={[
          { label: "From", value: `Version ${fromVersion}` },
          { label: "To", value: `Version ${toVersion}` },
          { label: "Finished", value: <Time at={finishedAt} /> },
          { label: "Companies opened", value: companiesOpened },
          { label: "Did not open", value: damage.length },
          {
            label: "SHA-256 of the backup",
            value:
              backup === undefined ? (
                "None"
              ) : (
                <span className="-my-1.5 flex items-center">
                  <code className="font-mono text-code">{backup.slice(0, 8)}…</code>
                  <Copy text={backup} label="Copy the checksum" />
                </span>
              ),
          },
        ]}
      />
      {isGenuine && (
        <Notice kind="ok" title="Genuine">
          This deployment made it, it was not changed, and nothing is left under the old key.
        </Notice>
      )}
      {verify.error !== null &&
        (reasonOf(verify.error) === "CONFLICT" ? (
          <Notice kind="warn" title="Genuine, but something is still under the old key">
            Restore what did not open, or write it again; then rotate once more.
          </Notice>
        ) : (
          <ErrorNotice error={verify.error} />
        ))}
      <div className="flex flex-wrap gap-2">
        <Button icon={Download} onClick={() => saveFile(`rotation-${rotation}.json`, JSON.stringify(signed))}>
          Download
        </Button>
        <Button icon={ShieldCheck} busy={verify.isBusy} onClick={() => verify.run(undefined)}>
          Verify
        </Button>
      </div>
    </div>
  );
}

function Damages({ damage }: { readonly damage: readonly Damage[] }): ReactNode {
  const trpc = useTRPC();
  const { data: companies } = useQuery(trpc.companies.list.queryOptions());
  const nameOf = (id: string): string =>
    companies?.find((company) => company.id === id)?.subdomain ?? `the company ${id}`;
  return (
    <Notice kind="danger" title="These did not open">
      <ul className="grid list-disc gap-1 pl-4">
        {damage.map(({ line, company, what, todo }) => (
          <li key={line}>
            <span className="font-medium">
              {what}
              {company !== undefined && ` of ${nameOf(company)}`}
            </span>
            : {todo}
          </li>
        ))}
      </ul>
    </Notice>
  );
}
