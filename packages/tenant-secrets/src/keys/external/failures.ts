import { LRUCache } from "lru-cache";
import type { AuditLog } from "@repo/audit-log";
import { type CompanyId, systemCaller, TenantSecretsError } from "@repo/catalog";
import type { RaiseAlarm } from "../../access/alarms.ts";
import type { ExternalKeyError } from "./external-key-error.ts";

/** The failed calls of this process to companies' own keys. */
export interface ExternalFailures {
  /** Counts it. An alarm and an event, once a minute for a company and kind of failure. */
  readonly note: (companyId: CompanyId, error: ExternalKeyError) => void;
  readonly measure: () => ExternalFailureCounts;
}

export type ExternalFailureCounts = Readonly<Record<ExternalKeyError["fault"], number>>;

const repeatedAfterMs = 60_000;
const watcher = systemCaller("external-keys", { verbs: [], secretKeys: [] });

const reasons = {
  denied: "EXTERNAL_KEY_DENIED",
  wrong: "EXTERNAL_KEY_WRONG",
  unavailable: "EXTERNAL_KEY_DOWN",
} as const;

export function createExternalFailures({
  audit,
  onAlarm,
}: {
  readonly audit: AuditLog;
  readonly onAlarm: RaiseAlarm;
}): ExternalFailures {
  const counts = { denied: 0, wrong: 0, unavailable: 0 };
  const noted = new LRUCache<string, true>({ max: 10_000, ttl: repeatedAfterMs });
  return {
    note: (companyId, { code, fault, message }) => {
      counts[fault]++;
      const name = `${companyId} ${fault}`;
      if (noted.has(name)) return;
      noted.set(name, true);
      onAlarm(new TenantSecretsError(code, `Company ${companyId}: ${message}`));
      const event = { action: "key.external", outcome: "failed", reason: reasons[fault], companyId } as const;
      // The failure itself reaches the caller. Without the event another one follows a minute later.
      audit.record(watcher, event).catch(() => noted.delete(name));
    },
    measure: () => ({ ...counts }),
  };
}
