import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useCompany } from "../frame/account.ts";
import { beginningOf, wordsOfDriver } from "../frame/rotation-words.ts";
import { Copy } from "../ui/copy.tsx";
import { Time } from "../ui/time.tsx";
import type { RunDetails } from "./run-details.ts";

/** What is known of a run. */
export function RunFacts({ run }: { readonly run: RunDetails }): ReactNode {
  const { subdomain: company } = useCompany();
  const { id, secretKey, driver, currentVersion, pendingVersion } = run;
  return (
    <section aria-label="Facts" className="grid gap-2">
      <h2 className="text-section font-medium">Facts</h2>
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] items-baseline gap-x-6 gap-y-2 rounded-panel border border-line bg-surface px-3 py-3">
        <Fact name="Secret">
          <Link
            to="/c/$company/secrets/$secretKey"
            params={{ company, secretKey }}
            className="inline-flex min-h-6 items-center font-mono text-code break-all text-accent hover:underline"
          >
            {secretKey}
          </Link>
        </Fact>
        <Fact name="Made by">{wordsOfDriver(driver)}</Fact>
        <Fact name="Begun">{beginningOf(run)}</Fact>
        {currentVersion !== undefined && <Fact name="Replaces">version {currentVersion}</Fact>}
        {pendingVersion !== undefined && <Fact name="Next">version {pendingVersion}</Fact>}
        <Times run={run} />
        <Fact name="Run">
          <span className="flex items-center gap-1">
            <code translate="no" className="min-w-0 font-mono text-code break-all">
              {id}
            </code>
            <Copy text={id} label="Copy the id" />
          </span>
        </Fact>
      </dl>
    </section>
  );
}

function Times({ run }: { readonly run: RunDetails }): ReactNode {
  const { state, outcome, urgent, promotedAt, previousUntil, notBefore, finishedAt } = run;
  const hasOverlap = previousUntil !== undefined && !urgent && (outcome ?? "rotated") === "rotated";
  return (
    <>
      {promotedAt !== undefined && (
        <Fact name="Current since">
          <Time at={promotedAt} as="exact" />
        </Fact>
      )}
      {hasOverlap && (
        <Fact name="Value before">
          accepted until <Time at={previousUntil} as="exact" />
        </Fact>
      )}
      {state === "waiting" && notBefore !== undefined && (
        <Fact name="Goes on">
          <Time at={notBefore} as="exact" />
        </Fact>
      )}
      {finishedAt !== undefined && (
        <Fact name="Ended">
          <Time at={finishedAt} as="exact" />
        </Fact>
      )}
    </>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }): ReactNode {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="min-w-0">{children}</dd>
    </>
  );
}
