import { setTimeout as sleep } from "node:timers/promises";

/** Waits. Told to stop, it ends at once, and the next step of its run is refused. */
export async function pause(
  { signal }: { readonly signal: AbortSignal | undefined },
  ms: number,
): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
