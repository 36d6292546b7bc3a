import { Circle, CircleCheck, CircleDot, CircleX } from "lucide-react";
import type { ReactNode } from "react";
import { wordsOfReason } from "../frame/rotation-words.ts";
import { Time } from "../ui/time.tsx";
import { isGivingUp, type RunDetails, type RunPhase } from "./run-details.ts";

const phaseWords: Readonly<Record<RunPhase, string>> = {
  prepare: "Read the secret",
  ask: "A person makes the new credential",
  create: "Make the new credential",
  lead: "Give the other side a day to fetch the new value",
  test: "Ask the provider whether it accepts the new value",
  canary: "Try the new value with a share of the uses",
  promote: "Make the new value current",
  watch: "Watch until the overlap ends",
  "ask-retire": "A person ends the old credential",
  retire: "End the old credential",
  confirm: "Ask the provider whether it has forgotten the old one",
  "give-up": "Discard the new value, and end its credential",
  done: "Ended",
};

type Place = "done" | "failed" | "now" | "later";

interface Step {
  readonly key: string;
  readonly words: string;
  readonly place: Place;
  readonly at?: Date | undefined;
  readonly details?: string | undefined;
}

/** What a run goes through, in order, and what came of it. */
export function RunSteps({ run }: { readonly run: RunDetails }): ReactNode {
  return (
    <section aria-label="Steps" className="grid gap-2">
      <h2 className="text-section font-medium">Steps</h2>
      <ol className="grid gap-1 rounded-panel border border-line bg-surface px-3 py-3">
        {stepsOf(run).map(({ key, words, place, at, details }) => (
          <li
            key={key}
            {...(place === "now" && { "aria-current": "step" })}
            className={`flex min-h-7 items-start gap-2.5 ${place === "later" ? "text-muted" : ""}`}
          >
            <StepIcon place={place} />
            <span className="grid min-w-0 flex-1">
              <span className={place === "now" ? "font-medium" : ""}>{words}</span>
              {details !== undefined && <span className="text-small text-muted">{details}</span>}
            </span>
            {at !== undefined && (
              <span className="text-small text-muted">
                <Time at={at} as="exact" />
              </span>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

function stepsOf(run: RunDetails): readonly Step[] {
  const { phases, phase, startedAt, promotedAt, finishedAt, outcome } = run;
  const began: Step = { key: "began", words: "Began", place: "done", at: startedAt };
  const promoted: Step = {
    key: "promoted",
    words: "The new value became current",
    place: "done",
    at: promotedAt,
  };
  if (isGivingUp(run)) {
    const words = promotedAt === undefined ? phaseWords["give-up"] : "End the new credential";
    return [
      began,
      ...(promotedAt === undefined ? [] : [promoted]),
      whyOf(run),
      { key: "now", words, place: "now" },
    ];
  }
  if (finishedAt !== undefined && outcome !== "rotated") {
    const ended: Step = { key: "ended", words: "Ended", place: "done", at: finishedAt };
    return [began, ...(promotedAt === undefined ? [] : [promoted]), whyOf(run), ended];
  }
  const at = finishedAt === undefined ? phases.indexOf(phase) : phases.length;
  const steps = phases.map((each, i): Step => ({
    key: each,
    words: phaseWords[each],
    place: i < at ? "done" : i === at ? "now" : "later",
    ...(each === "prepare" && { at: startedAt }),
    ...(each === "promote" && { at: promotedAt }),
  }));
  // The phase of a driver that this deployment has no more is the only one that is known.
  const isKnown = finishedAt !== undefined || at >= 0;
  return [
    ...(isKnown ? steps : [began, { key: "now", words: phaseWords[phase], place: "now" } as const]),
    ...(finishedAt === undefined
      ? []
      : [{ key: "ended", words: "Ended", place: "done", at: finishedAt } as const]),
  ];
}

function whyOf({ outcome, promotedAt, reason }: RunDetails): Step {
  const fellBack = outcome === "fell-back" || promotedAt !== undefined;
  return {
    key: "why",
    words: fellBack ? "It fell back" : "It did not rotate the secret",
    place: "failed",
    details: reason === undefined ? undefined : wordsOfReason(reason),
  };
}

function StepIcon({ place }: Pick<Step, "place">): ReactNode {
  switch (place) {
    case "done":
      return <CircleCheck size={16} aria-label="Done:" className="mt-0.5 shrink-0 text-ok" />;
    case "failed":
      return <CircleX size={16} aria-label="Failed:" className="mt-0.5 shrink-0 text-danger" />;
    case "now":
      return <CircleDot size={16} aria-label="Now:" className="mt-0.5 shrink-0 text-accent" />;
    case "later":
      return <Circle size={16} aria-label="Later:" className="mt-0.5 shrink-0" />;
  }
}
