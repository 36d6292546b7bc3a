import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "@repo/db";
import { asTenantSecretsError, type AuditLog } from "@repo/audit-log";
import type { TenantSecretsError } from "@repo/catalog";
import type { Attempt, AttemptDelivery } from "./attempt.ts";
import { createClockWatch } from "../access/clock.ts";
import { claimDue } from "./claims.ts";
import { recordAttempts } from "./outcomes.ts";

/** What a process has delivered since its start. */
export interface DeliveryCounts {
  readonly delivered: number;
  readonly failed: number;
  readonly dead: number;
}

/** A process that sends notifications. */
export interface RunningDeliveries {
  measure(): DeliveryCounts;
  /** Claims nothing more, and waits for the attempts that are in flight, ten seconds at most. */
  stop(): Promise<void>;
}

export interface DeliveryWorkerParts {
  readonly database: Pick<Database, "acrossCompanies">;
  readonly audit: Pick<AuditLog, "ready" | "recordInTransaction">;
  readonly attempt: AttemptDelivery;
}

/** Milliseconds between two looks for deliveries that are due. */
const lookMs = 500;
/** Milliseconds to wait after an error, such as of a database that is unavailable. */
const afterErrorMs = 2000;
const mostInFlight = 32;
const stopMs = 10_000;

/**
 * @param onError told once of each series of errors
 * @param onClockOff told when the clock of this process differs by more than a minute from the database's
 */
export function startDeliveries(
  { database, audit, attempt }: DeliveryWorkerParts,
  onError: (error: TenantSecretsError) => void,
  onClockOff: (error: TenantSecretsError) => void = () => {},
): RunningDeliveries {
  const stopping = new AbortController();
  const inFlight = new Set<Promise<void>>();
  const counts = { delivered: 0, failed: 0, dead: 0 };
  let ended: Attempt[] = [];
  let recording: Promise<void> | undefined;
  let wake: () => void = () => {};
  let isFailing = false;

  const watchClock = createClockWatch(onClockOff);

  const tell = (error: unknown): void => {
    if (!isFailing) onError(asTenantSecretsError(error));
    isFailing = true;
  };

  /** Attempts that end while others are being recorded are recorded together. */
  const record = async (): Promise<void> => {
    while (ended.length > 0) {
      const batch = ended;
      ended = [];
      try {
        counts.dead += await recordAttempts({ database, audit }, batch);
        isFailing = false;
      } catch (error) {
        // Their leases end, and they are attempted again: a receiver knows the id.
        tell(error);
      }
      for (const { failure } of batch) counts[failure === undefined ? "delivered" : "failed"] += 1;
      wake();
    }
  };

  const deliver = async (delivery: Attempt["delivery"]): Promise<void> => {
    const attempted = await attempt(delivery);
    // Only now: the list of before may have been recorded meanwhile.
    ended.push(attempted);
    while (ended.length > 0) {
      recording ??= record().finally(() => (recording = undefined));
      await recording;
    }
  };

  const look = async (): Promise<number> => {
    const free = mostInFlight - inFlight.size;
    if (free === 0) return 0;
    const claimed = await claimDue(database, free);
    if (claimed[0] !== undefined) watchClock(claimed[0].now);
    for (const delivery of claimed) {
      const delivering: Promise<void> = deliver(delivery).finally(() => inFlight.delete(delivering));
      inFlight.add(delivering);
    }
    return claimed.length;
  };

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      let waitMs = lookMs;
      try {
        if ((await look()) > 0 && inFlight.size < mostInFlight) waitMs = 0;
      } catch (error) {
        tell(error);
        waitMs = afterErrorMs;
      }
      if (waitMs === 0) continue;
      const woken = new AbortController();
      wake = () => woken.abort();
      await sleep(waitMs, undefined, {
        signal: AbortSignal.any([stopping.signal, woken.signal]),
        ref: false,
      }).catch(() => {});
      wake = () => {};
    }
  };
  const running = run();

  return {
    measure: () => ({ ...counts }),
    stop: async () => {
      stopping.abort();
      await running;
      await Promise.race([Promise.all(inFlight), sleep(stopMs, undefined, { ref: false })]);
    },
  };
}
