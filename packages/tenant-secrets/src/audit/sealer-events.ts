import type { AuditLog, SealerOptions } from "@repo/audit-log";
import { verifier } from "./verifications.ts";

/** Adds an event for what a sealer finds changed, which tells the platform's endpoints. The alarm is raised whatever becomes of it. */
export function recordingChanges(audit: Pick<AuditLog, "record">, options: SealerOptions): SealerOptions {
  return {
    ...options,
    onAlarm: (alarm) => {
      options.onAlarm(alarm);
      if (alarm.code !== "AUDIT_CHANGED") return;
      const entry = { action: "audit.verify", outcome: "failed", reason: "INTEGRITY_FAILURE" } as const;
      void audit.record(verifier, entry).catch(() => {});
    },
  };
}
