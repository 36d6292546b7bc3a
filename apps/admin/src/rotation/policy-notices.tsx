import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useCompany } from "../frame/account.ts";
import { isUnderWay, wordsOfReason, type RotationPolicy } from "../frame/rotation-words.ts";
import { Notice } from "../ui/notice.tsx";
import { Orphans } from "./orphans.tsx";

/** What needs a person: rotations that are stuck, that fell back, that ask for something, and what is left at providers. */
export function PolicyNotices({ policies }: { readonly policies: readonly RotationPolicy[] }): ReactNode {
  return policies.map((policy) => <NoticesOf key={policy.secretKey} policy={policy} />);
}

function NoticesOf({ policy }: { readonly policy: RotationPolicy }): ReactNode {
  const { secretKey, state, reason, failures, lastRun, orphans } = policy;
  const why = reason === undefined ? "" : wordsOfReason(reason);
  return (
    <>
      {state === "stuck" && (
        <Notice kind="danger" title={`The rotation of ${secretKey} is stuck`}>
          {why} {failures} {failures === 1 ? "run" : "runs"} in a row failed. Mend the reason, then rotate it
          by hand: once that has rotated, the schedule counts again.
        </Notice>
      )}
      {state === "paused" && (
        <Notice kind="warn" title={`The rotation of ${secretKey} is paused`}>
          {why} Nothing is due by time until it is resumed.
        </Notice>
      )}
      {lastRun?.state === "person" && isUnderWay(lastRun) && <Waits policy={policy} run={lastRun.id} />}
      {orphans.length > 0 && <Orphans policy={policy} />}
    </>
  );
}

function Waits({
  policy: { secretKey },
  run,
}: {
  readonly policy: RotationPolicy;
  readonly run: string;
}): ReactNode {
  const { subdomain: company } = useCompany();
  return (
    <Notice kind="warn" title={`The rotation of ${secretKey} waits for a person`}>
      <Link
        to="/c/$company/rotation/runs/$run"
        params={{ company, run }}
        className="inline-flex min-h-6 items-center text-accent underline"
      >
        See what there is to do
      </Link>
    </Notice>
  );
}
