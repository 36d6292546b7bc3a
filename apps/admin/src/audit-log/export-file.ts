import type { useTRPCClient } from "../api.ts";
import { explain } from "../errors.ts";

interface Range {
  readonly company: string;
  readonly from: Date;
  readonly to: Date;
}

/** How far an export is. */
export interface ExportProgress {
  readonly events: number;
  /** Left out, because they are not sealed yet. */
  readonly unsealed: number;
  /** Until when it waits, because a minute takes no more calls. */
  readonly waitsUntil?: number | undefined;
}

interface Watching {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ExportProgress) => void;
}

/** @returns the whole export as JSON Lines, in the form of docs/audit-log.md. Rejects where it was stopped */
export async function collectExport(
  client: ReturnType<typeof useTRPCClient>,
  range: Range,
  { signal, onProgress }: Watching,
): Promise<string> {
  const lines: string[] = [];
  let progress: ExportProgress = { events: 0, unsealed: 0 };
  let cursor: string | undefined;
  const ask = async () => {
    for (;;) {
      try {
        return await client.audit.export.query({ ...range, cursor }, { signal });
      } catch (error) {
        const { reason, retryAfterMs } = explain(error);
        if (reason !== "RATE_LIMITED" || retryAfterMs === undefined) throw error;
        onProgress({ ...progress, waitsUntil: Date.now() + retryAfterMs });
        await passed(retryAfterMs, signal);
      }
    }
  };
  do {
    const page = await ask();
    lines.push(...page.lines);
    progress = {
      events: progress.events + page.lines.filter((line) => line.startsWith('{"event":')).length,
      unsealed: progress.unsealed + page.unsealed,
    };
    onProgress(progress);
    ({ cursor } = page);
  } while (cursor !== undefined);
  return lines.map((line) => `${line}\n`).join("");
}

async function passed(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = (): void => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  const timer = setTimeout(resolve, ms);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}
