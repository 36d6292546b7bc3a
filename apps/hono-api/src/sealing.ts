import type { RunningSealer } from "@repo/tenant-secrets";
import type { Program } from "./program.ts";

/** Seals the record in this process, for when the start is complete. What it logs is to be kept outside the database. */
export function startSealing({
  log,
  secrets,
  metrics,
}: Pick<Program, "log" | "secrets" | "metrics">): RunningSealer {
  const running = secrets
    .createSealer({
      onSealed: ({ batch, events, head }) => {
        metrics.sealed();
        log("info", "record sealed", { batch, events, head });
      },
      onAlarm: ({ code, message, diagnosis }) => {
        metrics.recordAlarm(code);
        log("error", message, { code, diagnosis });
      },
    })
    .run();
  return {
    stop: async () => {
      // What this process did last is sealed as well. If it cannot be written now, the end of the program tries again.
      await secrets.flush().catch(() => {});
      await running.stop();
    },
  };
}
