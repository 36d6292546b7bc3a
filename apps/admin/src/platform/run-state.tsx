import type { ReactNode } from "react";
import { runStates, isUnfinished, type Run } from "../frame/runs.ts";
import { Badge } from "../ui/badge.tsx";
import { Notice } from "../ui/notice.tsx";
import { Progress } from "../ui/progress.tsx";
import { Time } from "../ui/time.tsx";

/** Where a run is: its state, how much of its phase is done, and what stopped it last. */
export function RunState({ run }: { readonly run: Run }): ReactNode {
  const { state, phase, done, total, error, attempts, notBefore, secondsLeft, driven } = run;
  const [word, tone] = runStates[state];
  if (!isUnfinished(run)) return <Badge tone={tone}>{word}</Badge>;
  const isWaiting = state === "running" && !driven;
  return (
    <div className="grid gap-2">
      <div className="flex flex-wrap items-center gap-x-2 gap-y-1">
        <Badge tone={tone}>{word}</Badge>
        <span className="text-small text-muted">
          {secondsLeft !== undefined &&
            state === "running" &&
            driven &&
            `About ${durationOf(secondsLeft)} left`}
          {isWaiting && notBefore === undefined && "Waits for a process that runs jobs"}
          {isWaiting && notBefore !== undefined && (
            <>
              Goes on at <Time at={notBefore} as="exact" />
            </>
          )}
        </span>
      </div>
      <div className="max-w-md">
        <Progress label={`Phase: ${phase}`} done={done} total={total} />
      </div>
      {error !== undefined && (
        <Notice
          kind={state === "failed" ? "danger" : "warn"}
          title={attempts === 1 ? "The last attempt failed" : `${attempts} attempts failed`}
        >
          {error.message}
        </Notice>
      )}
    </div>
  );
}

function durationOf(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
