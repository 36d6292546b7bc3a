import type { ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useCompany } from "../frame/account.ts";
import { isUnfinished, runStates, useRuns, type Run } from "../frame/runs.ts";
import { Badge } from "../ui/badge.tsx";
import { Progress } from "../ui/progress.tsx";
import { Time } from "../ui/time.tsx";
import { Facts } from "./facts.tsx";

interface CompanyKeyProps {
  readonly companyKey: NonNullable<ApiAnswers["companies"]["settings"]["key"]>;
}

/** The key of the company: its number, its age, and its last rotation. */
export function CompanyKey({ companyKey: { version, createdAt } }: CompanyKeyProps): ReactNode {
  const { subdomain: company } = useCompany();
  const { data } = useRuns({ company, limit: 20 });
  const last = data?.runs.find(({ kind }) => kind === "rotate-company-key");
  return (
    <>
      <Facts
        facts={[
          ["Number", version],
          ["Made", <Time key="made" at={createdAt} />],
          ["Last rotation", data !== undefined && <LastRotation key="last" run={last} />],
        ]}
      />
      {last !== undefined && isUnfinished(last) && (
        <div className="grid gap-2 border-t border-line pt-3">
          <p>Older values are encrypted again under the new key. They can be read and written meanwhile.</p>
          <Progress label="Values" done={last.done} total={last.total} />
        </div>
      )}
    </>
  );
}

function LastRotation({ run }: { readonly run: Run | undefined }): ReactNode {
  if (run === undefined) return <span className="text-muted">Never</span>;
  const { state, finishedAt } = run;
  const [word, tone] = runStates[state];
  return (
    <span className="inline-flex flex-wrap items-center gap-x-2">
      {state !== "done" && <Badge tone={tone}>{word}</Badge>}
      {finishedAt !== undefined && <Time at={finishedAt} />}
    </span>
  );
}
