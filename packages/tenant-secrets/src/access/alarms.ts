import { LRUCache } from "lru-cache";
import type { TenantSecretsError } from "@repo/catalog";

/** Tells an operator of something. */
export type RaiseAlarm = (error: TenantSecretsError) => void;

/** How long the same alarm is not raised again. */
const repeatedAfterMs = 60_000;

/** @returns `raise`, once a minute for each message: what is wrong with a row is found at every use of it */
export function oncePerMinute(raise: RaiseAlarm): RaiseAlarm {
  const raised = new LRUCache<string, true>({ max: 1000, ttl: repeatedAfterMs });
  return (error) => {
    if (raised.has(error.message)) return;
    raised.set(error.message, true);
    raise(error);
  };
}
