import { LRUCache } from "lru-cache";
import type { TenantSecretsError } from "@repo/catalog";

/** Raises an alarm for operators. */
export type RaiseAlarm = (error: TenantSecretsError) => void;

/** Milliseconds during which the same alarm is not raised again. */
const repeatedAfterMs = 60_000;

/** Limits alarms to one a minute per message: a bad row raises one at every use. @returns the limited `raise` */
export function oncePerMinute(raise: RaiseAlarm): RaiseAlarm {
  const raised = new LRUCache<string, true>({ max: 1000, ttl: repeatedAfterMs });
  return (error) => {
    if (raised.has(error.message)) return;
    raised.set(error.message, true);
    raise(error);
  };
}
