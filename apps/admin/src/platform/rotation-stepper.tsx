import { useQueryClient } from "@tanstack/react-query";
import { Circle, CircleCheck, CircleDot } from "lucide-react";
import type { ReactNode } from "react";
import { useTRPC, useTRPCClient } from "../api.ts";
import { Button } from "../ui/button.tsx";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { Progress } from "../ui/progress.tsx";
import { Time, useNow } from "../ui/time.tsx";
import { useConfirmedChange } from "../frame/confirmed-change.ts";
import type { Run } from "../frame/runs.ts";
import { Section } from "./section.tsx";

const breathMs = 5000;

const phases: readonly (readonly [phase: string, words: string])[] = [
  ["stage", "Make the new key"],
  ["backup", "Back up all keys"],
  ["distribute", "Wait until each process has it"],
  ["activate", "Wrap new keys under it"],
  ["rewrap", "Wrap all other keys under it"],
  ["verify", "Open every company with it alone"],
  ["retire", "Retire the old key"],
  ["report", "Count what is under which key"],
];

/** A rotation that goes on, step by step. It needs no page: one can leave. */
export function RotationStepper({ run }: { readonly run: Run }): ReactNode {
  const { keyVersion, phase, done, total, startedAt, requestedBy } = run;
  const at = phases.findIndex(([name]) => name === phase);
  return (
    <Section
      title={keyVersion === undefined ? "Rotation" : `Rotation to version ${keyVersion}`}
      hint={
        <>
          Since <Time at={startedAt} />
          {requestedBy.name !== undefined && `, by ${requestedBy.name}`}. It goes on when you leave this page.
        </>
      }
    >
      <Waits run={run} />
      <ol className="grid gap-1 rounded-panel border border-line bg-surface px-3 py-3">
        {phases.map(([name, words], i) => (
          <li
            key={name}
            {...(i === at && { "aria-current": "step" })}
            className={`flex min-h-7 items-start gap-2.5 ${i > at ? "text-muted" : ""}`}
          >
            <StepIcon place={Math.sign(i - at)} />
            <div className="max-w-md flex-1">
              <span className={i === at ? "font-medium" : ""}>{words}</span>
              {i === at && total !== undefined && <Progress label="Keys" done={done} total={total} />}
            </div>
          </li>
        ))}
      </ol>
    </Section>
  );
}

/** @param place -1 before the present step, 0 at it, 1 after it */
function StepIcon({ place }: { readonly place: number }): ReactNode {
  if (place < 0) return <CircleCheck size={16} aria-label="Done:" className="mt-0.5 shrink-0 text-ok" />;
  if (place === 0) return <CircleDot size={16} aria-label="Now:" className="mt-0.5 shrink-0 text-accent" />;
  return <Circle size={16} aria-label="Later:" className="mt-0.5 shrink-0" />;
}

/** Why it does not go on, and what to do. */
function Waits({ run }: { readonly run: Run }): ReactNode {
  const { id, state, driven, error, notBefore, attempts, updatedAt } = run;
  // Between two steps, and at the beginning, no process is at it for a moment.
  const isLeft = useNow(1000) - updatedAt.getTime() > breathMs && !driven;
  const client = useTRPCClient();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const onDone = () => queryClient.invalidateQueries(trpc.runs.list.pathFilter());
  const why = "Rotating the master key needs a recent sign-in.";
  const goOn = useConfirmedChange(async () => void (await client.keys.rotate.mutate()), { why, onDone });
  const resume = useConfirmedChange(async () => void (await client.runs.resume.mutate({ run: id })), {
    why,
    onDone,
  });
  const act = state === "paused" ? resume : goOn;
  const button = (
    <Button busy={act.isBusy} onClick={() => act.run(undefined)}>
      {state === "paused" ? "Resume" : "Go on now"}
    </Button>
  );
  return (
    <>
      {act.error !== null && <ErrorNotice error={act.error} />}
      {state === "paused" && (
        <Notice kind="warn" title="Paused" action={button}>
          Values can be read and written meanwhile.
        </Notice>
      )}
      {state === "failed" && (
        <Notice kind="danger" title="It does not go on by itself" action={button}>
          After {attempts} attempts: {error?.message}
        </Notice>
      )}
      {state === "running" && isLeft && (
        <Notice
          kind="warn"
          title={error === undefined ? "No process is at it" : "It is tried again"}
          action={button}
        >
          {error === undefined ? (
            "A process that runs jobs goes on within two minutes. Values can be read and written meanwhile."
          ) : (
            <>
              {error.message} {notBefore !== undefined && <Time at={notBefore} as="exact" />}
            </>
          )}
        </Notice>
      )}
    </>
  );
}
