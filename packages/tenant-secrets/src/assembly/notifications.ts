import type { TenantSecretsError } from "@repo/catalog";
import type { Outbound } from "@repo/outbound";
import { measureClock } from "../access/clock.ts";
import { createCounters } from "../access/counters.ts";
import type { Companies } from "../companies/companies.ts";
import { createWebhookKeys } from "../keys/audit-keys.ts";
import { createAttempt } from "../notifications/attempt.ts";
import { createDeliveryLog } from "../notifications/delivery-log.ts";
import { createEndpoints } from "../notifications/endpoints.ts";
import { measureDeliveries } from "../notifications/measurements.ts";
import { createEndpointSigning } from "../notifications/signing.ts";
import { startDeliveries, type RunningDeliveries } from "../notifications/worker.ts";
import type { Base } from "./base.ts";

type Told = (error: TenantSecretsError) => void;

interface NotificationOptions {
  readonly companies: Pick<Companies, "resolve">;
  readonly outbound: Pick<Outbound, "check" | "fetch">;
}

/** The endpoints that are notified, what was sent to them, and the process that sends. */
export function assembleNotifications(base: Base, { companies, outbound }: NotificationOptions) {
  const { database, audit, operations, masterKeys } = base;
  const signing = createEndpointSigning(createWebhookKeys(database, masterKeys));
  const attempt = createAttempt(signing, outbound);
  const counters = createCounters(database);
  return {
    webhooks: {
      ...createEndpoints({ database, operations, companies, signing, outbound }),
      deliveries: createDeliveryLog({ database, audit, operations, companies, counters, attempt }),
    },
    measureDeliveries: () => measureDeliveries(database),
    measureClock: () => measureClock(database),
    startDeliveries: (onError: Told, onClockOff?: Told): RunningDeliveries =>
      startDeliveries({ database, audit, attempt }, onError, onClockOff),
  };
}
