import { useQuery, useQueryClient } from "@tanstack/react-query";
import { RotateCw } from "lucide-react";
import { useEffect, useState, type ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC } from "../api.ts";
import { Page } from "../frame/page.tsx";
import { isUnfinished, useRuns, type Run } from "../frame/runs.ts";
import { Button } from "../ui/button.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Notice } from "../ui/notice.tsx";
import { KeyBackups } from "./key-backups.tsx";
import { MasterKeys } from "./master-keys.tsx";
import { RotateDialog } from "./rotate-dialog.tsx";
import { RotationReport } from "./rotation-report.tsx";
import { RotationStepper } from "./rotation-stepper.tsx";
import { Section } from "./section.tsx";
import { countOf } from "./words.ts";

/** The master keys, and their rotation. */
export function KeysPage(): ReactNode {
  const trpc = useTRPC();
  const status = useQuery(trpc.keys.status.queryOptions(undefined, { refetchOnMount: "always" }));
  const rotation = useRotation();
  const [isRotating, setRotating] = useState(false);
  const isRunning = rotation !== undefined && isUnfinished(rotation);
  return (
    <Page
      title="Keys"
      actions={
        status.data !== undefined && (
          <Button kind="primary" icon={RotateCw} disabled={isRunning} onClick={() => setRotating(true)}>
            Rotate the master key
          </Button>
        )
      }
    >
      {isRunning && <RotationStepper run={rotation} />}
      <Loaded query={status}>
        {(data) => (
          <>
            <Damaged versions={data.versions} />
            <Section
              title="Master keys"
              hint={`Region ${data.region}. Each company has a key of its own, which the master key wraps. A rotation is due 90 days after the last one.`}
            >
              <MasterKeys versions={data.versions} />
            </Section>
            <KeyBackups versions={data.versions} />
            <RotationReport key={rotation?.finishedAt?.getTime()} />
            <RotateDialog open={isRotating} onClose={() => setRotating(false)} status={data} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

/** The newest rotation of the master key, followed closely while it goes on. It leaves no event: the list of runs is not audited. */
function useRotation(): Run | undefined {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const { data } = useRuns({ recent: true, limit: 50 });
  const run = data?.runs.find(({ kind }) => kind === "rotate-master-key");
  const stage = run === undefined ? undefined : `${run.id} ${run.state}`;
  useEffect(() => {
    // The keys have changed with it; asking for them is audited, so that it is asked at its ends alone.
    if (stage !== undefined) void queryClient.invalidateQueries(trpc.keys.status.pathFilter());
  }, [queryClient, stage, trpc]);
  return run;
}

function Damaged({ versions }: { readonly versions: ApiAnswers["keys"]["status"]["versions"] }): ReactNode {
  const damaged = versions.reduce((sum, version) => sum + version.damaged, 0);
  if (damaged === 0) return null;
  return (
    <Notice kind="danger" title={`${countOf(damaged, "key")} did not open in the last rotation`}>
      The report of the last rotation names them. Put their rows of company_key_wraps back from a backup of
      the database, or shred their companies; then rotate again, which retires the old master key too.
    </Notice>
  );
}
