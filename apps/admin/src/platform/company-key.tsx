import { useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import { isUnfinished, useRuns } from "../frame/runs.ts";
import { Button } from "../ui/button.tsx";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { useToast } from "../ui/toast.tsx";
import { RunActions } from "./run-actions.tsx";
import { RunState } from "./run-state.tsx";
import { PanelRow } from "./section.tsx";
import type { Company } from "./words.ts";

interface CompanyKeyProps {
  readonly company: string;
  readonly companyKey: NonNullable<Company["key"]>;
}

/** The key of a company: how old it is, its rotation while one goes on, and the way to a new one. */
export function CompanyKey({ company, companyKey: { version, createdAt } }: CompanyKeyProps): ReactNode {
  const { data } = useRuns({ company, limit: 20 });
  const [isAsking, setAsking] = useState(false);
  const last = data?.runs.find(({ kind }) => kind === "rotate-company-key");
  const rotation = last !== undefined && isUnfinished(last) ? last : undefined;
  return (
    <PanelRow
      title="Company key"
      action={rotation === undefined && <Button onClick={() => setAsking(true)}>New company key</Button>}
    >
      <p>
        Version {version}, made <Time at={createdAt} />, encrypts what is written now.{" "}
        {rotation === undefined && last?.finishedAt !== undefined && (
          <>
            Its last rotation {last.state === "done" ? "ended" : "was cancelled"}{" "}
            <Time at={last.finishedAt} />.
          </>
        )}
        {data !== undefined && last === undefined && "It was never rotated."}
      </p>
      {rotation !== undefined && (
        <div role="group" aria-label="Rotation of the company key" className="grid gap-3 pt-3 text-ink">
          <p>All values are encrypted again. It goes on when you leave this page.</p>
          <RunState run={rotation} />
          <RunActions run={rotation} />
        </div>
      )}
      <NewKeyDialog subdomain={company} open={isAsking} onClose={() => setAsking(false)} />
    </PanelRow>
  );
}

function NewKeyDialog({
  subdomain,
  open,
  onClose,
}: {
  readonly subdomain: string;
  readonly open: boolean;
  readonly onClose: () => void;
}): ReactNode {
  const client = useTRPCClient();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const say = useToast();
  const rotate = useConfirmedChange(() => client.keys.rotateCompany.mutate({ company: subdomain }), {
    why: "A new company key needs a recent sign-in.",
    onDone: async ({ keyVersion }) => {
      await Promise.all([
        queryClient.invalidateQueries(trpc.companies.list.pathFilter()),
        queryClient.invalidateQueries(trpc.companies.get.pathFilter()),
        queryClient.invalidateQueries(trpc.runs.pathFilter()),
      ]);
      say(`Company key ${keyVersion} is in use; older values are encrypted again`);
      onClose();
    },
  });
  return (
    <ConfirmDialog
      open={open}
      onClose={onClose}
      title={`New key for ${subdomain}`}
      action="Make a new key"
      onConfirm={() => rotate.run(undefined)}
      busy={rotate.isBusy}
      typed={subdomain}
    >
      <p>
        What is written from then on is under the new key, and all older values are encrypted again, in the
        background. Values stay readable and writable meanwhile.
      </p>
      {rotate.error !== null && <ErrorNotice error={rotate.error} />}
    </ConfirmDialog>
  );
}
