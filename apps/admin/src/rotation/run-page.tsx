import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { History } from "lucide-react";
import { useMemo, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { reasonOf } from "../errors.ts";
import { useCompany } from "../frame/account.ts";
import { NotYoursPage } from "../frame/not-yours-page.tsx";
import { Page } from "../frame/page.tsx";
import { RotationBadge } from "../frame/rotation-badge.tsx";
import { useRotationFollow } from "../frame/rotation-follow.ts";
import { buttonLook } from "../ui/button.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { PersonSteps } from "./person-steps.tsx";
import { RunActions } from "./run-actions.tsx";
import { RunCredentials } from "./run-credentials.tsx";
import { RunFacts } from "./run-facts.tsx";
import { RunNotice } from "./run-notice.tsx";
import { RunSteps } from "./run-steps.tsx";
import type { RunDetails } from "./run-details.ts";

export function RotationRunPage(): ReactNode {
  const { can } = useCompany();
  return can("describe") ? <FoundRun /> : <NotYoursPage />;
}

/** A run of others and one that does not exist look the same. */
function FoundRun(): ReactNode {
  const { subdomain: company } = useCompany();
  const { run } = useParams({ from: "/signed-in/c/$company/rotation/runs/$run" });
  const trpc = useTRPC();
  const query = useQuery(trpc.rotation.run.queryOptions({ company, run }));
  const { data, error } = query;
  if (data === undefined && error !== null && reasonOf(error) === "NOT_FOUND") return <NotYoursPage />;
  return data === undefined ? (
    <Page title="Rotation run">
      <Loaded query={query}>{() => null}</Loaded>
    </Page>
  ) : (
    <OneRun key={data.id} run={data} />
  );
}

function OneRun({ run }: { readonly run: RunDetails }): ReactNode {
  const { subdomain: company } = useCompany();
  useRotationFollow(
    company,
    useMemo(() => [run], [run]),
  );
  return (
    <Page
      title={`Rotation of ${run.secretKey}`}
      beside={<RotationBadge run={run} />}
      actions={
        <>
          <Link
            to="/c/$company/rotation/runs"
            params={{ company }}
            search={{ secret: run.secretKey }}
            className={buttonLook("quiet")}
          >
            <History size={16} aria-hidden />
            All of this secret
          </Link>
          <RunActions run={run} />
        </>
      }
    >
      <RunNotice run={run} />
      <PersonSteps run={run} />
      <div className="grid items-start gap-4 desktop:grid-cols-2">
        <RunSteps run={run} />
        <RunFacts run={run} />
      </div>
      <RunCredentials credentials={run.credentials} />
    </Page>
  );
}
