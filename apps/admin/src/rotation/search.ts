/** Of `/rotation/new`: the secret that the policy is for. */
export function readNewPolicyParams({ secret }: Readonly<Record<string, unknown>>): {
  readonly secret?: string;
} {
  return typeof secret === "string" ? { secret } : {};
}

/** What of the list of runs can be chosen. */
export const runFilters = ["unfinished", "rotated", "failed", "fell-back"] as const;
export type RunFilter = (typeof runFilters)[number];

/** Of `/rotation/runs`. */
export interface RunsSearch {
  readonly secret?: string;
  readonly state?: RunFilter;
}

export function readRunsSearch({ secret, state }: Readonly<Record<string, unknown>>): RunsSearch {
  const chosen = runFilters.find((each) => each === state);
  return {
    ...(typeof secret === "string" && secret !== "" && { secret }),
    ...(chosen !== undefined && { state: chosen }),
  };
}
