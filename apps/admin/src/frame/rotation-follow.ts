import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useTRPC } from "../api.ts";
import type { RotationRun } from "./rotation-words.ts";

const whileGoingMs = 2000;
const otherwiseMs = 15_000;

/** What waits longer, for a person or for the end of an overlap, is not looked at so often. */
const soonMs = 30_000;

function isGoing({ notBefore }: { readonly notBefore?: Date | undefined }): boolean {
  return notBefore === undefined || notBefore.getTime() < Date.now() + soonMs;
}

/**
 * Asks for the rotations of a company again when one of them has moved. What is asked meanwhile, which runs there are, costs no line
 * of the audit log.
 *
 * @param shown the runs that the page shows
 */
export function useRotationFollow(
  company: string,
  shown: readonly Pick<RotationRun, "id" | "phase" | "finishedAt">[],
): void {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const { data } = useQuery(
    trpc.runs.list.queryOptions(
      { company, kind: "rotate-secret", unfinished: true, limit: 100 },
      {
        refetchOnMount: "always",
        retry: false,
        gcTime: 0,
        refetchInterval: ({ state: { data: known } }) =>
          known?.runs.some(isGoing) === true ? whileGoingMs : otherwiseMs,
      },
    ),
  );
  const seen = useRef<string>(undefined);
  const now = useRef(shown);
  useEffect(() => {
    now.current = shown;
  }, [shown]);
  useEffect(() => {
    if (data === undefined) return;
    const { runs } = data;
    const before = seen.current;
    seen.current = JSON.stringify(
      runs.map(({ id, phase, state, notBefore }) => [id, phase, state, notBefore]),
    );
    const isBehind = now.current.some(({ id, phase, finishedAt }) => {
      const found = runs.find((run) => run.id === id);
      return found === undefined ? finishedAt === undefined && runs.length < 100 : found.phase !== phase;
    });
    if (isBehind || (before !== undefined && before !== seen.current))
      void queryClient.invalidateQueries(trpc.rotation.pathFilter());
  }, [data, queryClient, trpc]);
}
