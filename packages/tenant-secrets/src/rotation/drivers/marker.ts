/**
 * What a credential that was made here is called at its provider: `ts-`, twelve characters of the run's id, and the number of the
 * attempt. With it, a credential whose answer was lost is found again, and told from those that a person made.
 *
 * @param runId a UUID: its last characters are random in each version of UUIDs
 */
export function markerOf(runId: string, attempt: number): string {
  return `${markerPrefix(runId)}${attempt}`;
}

/** What the markers of all attempts of a run begin with. */
export function markerPrefix(runId: string): string {
  return `ts-${runId.replaceAll("-", "").slice(-12).toLowerCase()}-`;
}

/** The attempt of a run that a marker is of. @returns infinity for a marker of another run */
export function attemptOf(marker: string, runId: string): number {
  const prefix = markerPrefix(runId);
  return marker.startsWith(prefix) ? Number(marker.slice(prefix.length)) : Infinity;
}

/** Whether a credential with this name was made here. */
export function isMarker(name: string): boolean {
  return /^ts-[0-9a-f]{12}-\d{1,6}$/.test(name);
}
