import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { RefreshCcwDot } from "lucide-react";
import { useMemo, useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { RotateDialog } from "../frame/rotate-dialog.tsx";
import { PolicyBadge, RotationBadge } from "../frame/rotation-badge.tsx";
import { useRotationFollow } from "../frame/rotation-follow.ts";
import { scheduleInWords } from "../frame/rotation-schedule.ts";
import { isUnderWay, wordsOfReason, type RotationPolicy } from "../frame/rotation-words.ts";
import { Button, buttonLook } from "../ui/button.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Time } from "../ui/time.tsx";
import type { SecretDescription } from "./form-catalog.ts";

/** How a secret is rotated: its policy, when it is due next, and the run that is under way. */
export function SecretRotation({ secret }: { readonly secret: SecretDescription }): ReactNode {
  const { can } = useCompany();
  if (secret.rotation === undefined && !can("rotate")) return null;
  return (
    <section aria-label="Rotation" className="grid gap-3 border-t border-line pt-4">
      <h2 className="font-medium">Rotation</h2>
      {secret.rotation === undefined ? (
        <Unset secretKey={secret.secretKey} />
      ) : (
        <FoundPolicy secretKey={secret.secretKey} />
      )}
    </section>
  );
}

function Unset({ secretKey }: Pick<SecretDescription, "secretKey">): ReactNode {
  const { subdomain: company } = useCompany();
  return (
    <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
      <span className="text-muted">It is not rotated.</span>
      <Link
        to="/c/$company/rotation/new"
        params={{ company }}
        search={{ secret: secretKey }}
        className={buttonLook()}
      >
        Set up rotation
      </Link>
    </div>
  );
}

/** The list of secrets says that there is a policy, and not its schedule. */
function FoundPolicy({ secretKey }: Pick<SecretDescription, "secretKey">): ReactNode {
  const { subdomain: company } = useCompany();
  const trpc = useTRPC();
  const query = useQuery(trpc.rotation.policies.queryOptions({ company }));
  return (
    <Loaded query={query}>
      {({ policies }) => {
        const policy = policies.find((each) => each.secretKey === secretKey);
        return policy === undefined ? null : <Policy policy={policy} />;
      }}
    </Loaded>
  );
}

function Policy({ policy }: { readonly policy: RotationPolicy }): ReactNode {
  const { subdomain: company, can } = useCompany();
  const [isRotating, setRotating] = useState(false);
  const { schedule, state, reason, nextDueAt, lastRun } = policy;
  useRotationFollow(
    company,
    useMemo(() => (lastRun === undefined ? [] : [lastRun]), [lastRun]),
  );
  const isUnfinished = lastRun !== undefined && isUnderWay(lastRun);
  return (
    <>
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] items-center gap-x-6 gap-y-2">
        <dt className="text-muted">Schedule</dt>
        <dd>{scheduleInWords(schedule)}</dd>
        <dt className="text-muted">State</dt>
        <dd className="flex flex-wrap items-center gap-2">
          <PolicyBadge state={state} />
          {state !== "active" && reason !== undefined && (
            <span className="text-small text-muted">{wordsOfReason(reason)}</span>
          )}
        </dd>
        {nextDueAt !== undefined && (
          <>
            <dt className="text-muted">Next due</dt>
            <dd>
              <Time at={nextDueAt} as="exact" />
            </dd>
          </>
        )}
        {lastRun !== undefined && (
          <>
            <dt className="text-muted">{isUnfinished ? "Under way" : "Last run"}</dt>
            <dd>
              <Link
                to="/c/$company/rotation/runs/$run"
                params={{ company, run: lastRun.id }}
                className="inline-flex min-h-6 items-center gap-2 hover:underline"
              >
                <RotationBadge run={lastRun} />
                <Time at={lastRun.startedAt} />
              </Link>
            </dd>
          </>
        )}
      </dl>
      <div className="flex flex-wrap gap-2">
        {can("rotate") && !isUnfinished && (
          <Button icon={RefreshCcwDot} onClick={() => setRotating(true)}>
            Rotate now…
          </Button>
        )}
        <Link to="/c/$company/rotation" params={{ company }} className={buttonLook("quiet")}>
          All policies
        </Link>
      </div>
      {isRotating && <RotateDialog company={company} policy={policy} onClose={() => setRotating(false)} />}
    </>
  );
}
