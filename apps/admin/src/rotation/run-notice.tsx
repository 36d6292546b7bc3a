import type { ReactNode } from "react";
import { wordsOfReason } from "../frame/rotation-words.ts";
import { Notice } from "../ui/notice.tsx";
import type { RunDetails } from "./run-details.ts";

/** What came of a run, where that is not what was wanted. */
export function RunNotice({ run }: { readonly run: RunDetails }): ReactNode {
  const { state, outcome, reason, unconfirmed, finishedAt } = run;
  const why = reason === undefined ? "" : wordsOfReason(reason);
  return (
    <>
      {outcome === "failed" && (
        <Notice kind={reason === "ABORTED" ? "info" : "warn"} title="The secret was not rotated">
          {why} {reason !== "OVERTAKEN" && "The current value is served all the while."}
        </Notice>
      )}
      {outcome === "fell-back" && (
        <Notice kind="warn" title="The rotation fell back">
          {why} Find out why the provider refused the new one, then rotate once more and resume the policy.
        </Notice>
      )}
      {state === "stopped" && (
        <Notice kind="danger" title="The run is stopped">
          It went wrong in a way that it does not know. An operator finds the reason among the long work.
        </Notice>
      )}
      {unconfirmed && finishedAt !== undefined && (
        <Notice kind="warn" title="The old credential is not known to have ended">
          The provider still accepted it when it was asked last, or could not be asked. Look there.
        </Notice>
      )}
    </>
  );
}
