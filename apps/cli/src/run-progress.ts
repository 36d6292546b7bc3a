import type { RunProgress } from "@repo/tenant-secrets/operator";

/** How far a run is, as what stands after a sentence; empty where its phase has no items, or none that is left. */
export function progressText({ done, total, secondsLeft }: RunProgress): string {
  if (total === undefined || done >= total) return "";
  const left = secondsLeft === undefined || done === 0 ? "" : `, ${duration(secondsLeft)} left`;
  return ` (${done} of ${total}${left})`;
}

/** A length of time in one unit that a person reads at a glance. */
function duration(seconds: number): string {
  if (seconds < 90) return `about ${seconds} s`;
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min`;
  return `about ${Math.round(seconds / 3600)} h`;
}
