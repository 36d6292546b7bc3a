import { useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../../api.ts";
import { useConfirmedChange } from "../../frame/confirmed-change.ts";
import { Switch } from "../../ui/choices.tsx";
import { ErrorNotice } from "../../ui/notice.tsx";
import { Time } from "../../ui/time.tsx";
import { countOf } from "../words.ts";
import { Findings } from "./findings.tsx";
import type { CompanyStore } from "./words.ts";

/** Whether the folder follows the database, how far it is behind, and what it does not get. */
export function Mirror({ store }: { readonly store: CompanyStore }): ReactNode {
  const { subdomain } = store.company;
  const client = useTRPCClient();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const change = useConfirmedChange(
    (isOn: boolean) => client.migrations.mirror.mutate({ companies: [subdomain], isOn }),
    {
      why: "Changing where secrets are needs a recent sign-in.",
      onDone: () => queryClient.invalidateQueries(trpc.migrations.status.pathFilter()),
    },
  );
  return (
    <div className="grid gap-2 rounded-panel border border-line bg-surface px-3 py-3">
      <Switch
        label="Mirror the database in Infisical"
        hint="What is written in the database is written to the folder as well, a moment later. The way back is short then."
        checked={store.isMirrored}
        onChange={(isOn) => change.run(isOn)}
        disabled={change.isBusy}
      />
      {change.error !== null && <ErrorNotice error={change.error} />}
      {store.mirror !== undefined && <Lag mirror={store.mirror} subdomain={subdomain} />}
      {store.shadowReads !== undefined && <ShadowReads reads={store.shadowReads} />}
    </div>
  );
}

function Lag({
  mirror: { behind, behindSince, nextTryAt, findings },
  subdomain,
}: {
  readonly mirror: NonNullable<CompanyStore["mirror"]>;
  readonly subdomain: string;
}): ReactNode {
  return (
    <>
      <p className="text-muted">
        {behind === 0 ? (
          "The folder has every change."
        ) : (
          <>
            {countOf(behind, "secret")} behind
            {behindSince !== undefined && (
              <>
                , since <Time at={behindSince} />
              </>
            )}
            .
          </>
        )}
        {nextTryAt !== undefined && (
          <>
            {" "}
            It is tried again at <Time at={nextTryAt} as="exact" />.
          </>
        )}
      </p>
      <Findings subdomain={subdomain} findings={findings} moreFindings={0} />
    </>
  );
}

function ShadowReads({
  reads: { equal, differs, missing, failed },
}: {
  readonly reads: NonNullable<CompanyStore["shadowReads"]>;
}): ReactNode {
  const said = [
    `${equal.toLocaleString("en-GB")} equal`,
    `${differs.toLocaleString("en-GB")} different`,
    `${missing.toLocaleString("en-GB")} not in the folder`,
    `${failed.toLocaleString("en-GB")} not found out`,
  ];
  return (
    <p className="text-muted tabular-nums">
      Of the values that were served, compared with the folder: {said.join(", ")}.
    </p>
  );
}
