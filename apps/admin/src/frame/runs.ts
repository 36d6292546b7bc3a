import { useQuery } from "@tanstack/react-query";
import type { ApiAnswers, ApiInputs } from "@repo/tenant-secrets/client";
import { useTRPC } from "../api.ts";
import type { Tone } from "../ui/badge.tsx";

/** One piece of long work. */
export type Run = ApiAnswers["runs"]["list"]["runs"][number];

export const runStates: Readonly<Record<Run["state"], readonly [word: string, tone: Tone]>> = {
  running: ["running", "accent"],
  paused: ["paused", "neutral"],
  failed: ["failed", "danger"],
  cancelling: ["cancelling", "warn"],
  done: ["done", "ok"],
  cancelled: ["cancelled", "neutral"],
};

const whileGoingMs = 2000;
export const otherwiseMs = 15_000;

/** Runs that fit, followed closely while one of them goes on. They cost no line of the audit log. */
export function useRuns(asked: ApiInputs["runs"]["list"]) {
  const trpc = useTRPC();
  return useQuery(
    trpc.runs.list.queryOptions(asked, {
      refetchOnMount: "always",
      retry: false,
      refetchInterval: ({ state: { data } }) =>
        data?.runs.some(isUnfinished) === true ? whileGoingMs : otherwiseMs,
    }),
  );
}

export function isUnfinished({ finishedAt }: Run): boolean {
  return finishedAt === undefined;
}
