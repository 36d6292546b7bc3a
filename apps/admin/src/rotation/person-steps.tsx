import { ExternalLink } from "lucide-react";
import { Suspense, type ReactNode } from "react";
import { useCompany } from "../frame/account.ts";
import { Notice } from "../ui/notice.tsx";
import { SkeletonRows } from "../ui/skeleton.tsx";
import { ConfirmRetired } from "./confirm-retired.tsx";
import type { RunDetails } from "./run-details.ts";
import { SupplyForm } from "./supply-form.tsx";

/** What a person does now at the provider, and here afterwards. Nothing where the run waits for no person. */
export function PersonSteps({ run }: { readonly run: RunDetails }): ReactNode {
  const { can } = useCompany();
  const { state, phase, guide } = run;
  if (state !== "person" || guide === undefined) return null;
  const isAsking = phase === "ask";
  const canAct = can(isAsking ? "write" : "rotate");
  return (
    <section
      aria-label="What there is to do"
      className="grid grid-cols-[minmax(0,1fr)] gap-4 rounded-panel border border-line bg-surface p-4"
    >
      <h2 className="text-section font-medium">
        {isAsking
          ? `Make the next key at ${guide.provider}`
          : `You may end the old key at ${guide.provider} now`}
      </h2>
      {!isAsking && (
        <p className="text-muted">
          The new value is current, and the time in which the value before was accepted is over.
        </p>
      )}
      <ol className="grid list-decimal gap-1.5 pl-5">
        {(isAsking ? guide.create : guide.retire).map((step) => (
          <li key={step}>{step}</li>
        ))}
      </ol>
      {isProviderLink(guide.link) && (
        <p>
          <a
            href={guide.link}
            rel="noreferrer"
            target="_blank"
            className="inline-flex min-h-6 items-center gap-1 text-accent underline"
          >
            Open {guide.provider}
            <ExternalLink size={12} aria-hidden />
          </a>
        </p>
      )}
      {!canAct && (
        <Notice>Your role in this company does not include the next step. Others can take it.</Notice>
      )}
      {canAct && isAsking && (
        <Suspense fallback={<SkeletonRows />}>
          <SupplyForm run={run} provider={guide.provider} />
        </Suspense>
      )}
      {canAct && !isAsking && <ConfirmRetired run={run} />}
    </section>
  );
}

/** A guide is of this deployment; a link of another kind is not one to follow. */
function isProviderLink(link: string | undefined): link is string {
  return link !== undefined && URL.parse(link)?.protocol === "https:";
}
