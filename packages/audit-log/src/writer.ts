import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "@repo/db";
import { TenantSecretsError } from "@repo/catalog";
import {
  contentOf,
  eventOf,
  isCoalesced,
  nonceBytes,
  type AuditEntry,
  type AuditKey,
  type AuditLog,
  type AuditSubject,
  type EventContent,
  type EventTimes,
  type LostEvent,
  type NewEvent,
} from "./event.ts";
import { throwTenantSecretsError } from "./database-errors.ts";
import { createSequence, type SequenceNumber } from "./sequence.ts";
import { createInsertEvents, insertAllThatFit, insertEventsInto } from "./insert-events.ts";
import { createFailureCoalescer } from "./failure-coalescer.ts";
import { createCoalescer, type CoalescedEvent } from "./read-coalescer.ts";

/** Queued reads are committed after 250 ms: the most that a killed process loses. */
const flushMs = 250;
/** Counted failures are committed after 5 seconds, so that a flood of them costs few transactions. */
const flushFailuresMs = 5000;
/** At 2,000 queued events a commit begins at once, which keeps each one short. */
const flushAt = 2000;
/** 10,000 events may wait in an outage. Beyond them reads are refused, because they could not be audited. */
const maxWaiting = 10_000;
/** Rows of one INSERT: its parameter stays near 1 MB. */
const maxRows = 1000;
/** 10 seconds: how long `stop` tries to commit, within the grace period of a process that is told to end. */
const stopMs = 10_000;

interface SequencedEvent {
  readonly number: SequenceNumber;
  readonly event: NewEvent;
}

/**
 * @param loadKey the current MAC key of the audit log, cached: it is called for every event
 * @param onLost called with each event that the database refuses for its content, and that is dropped so that others commit
 */
export function createAuditLog(
  database: Database,
  loadKey: () => Promise<AuditKey>,
  onLost: (event: LostEvent) => void = () => {},
): AuditLog {
  const numbers = createSequence();
  const reads = createCoalescer();
  const failures = createFailureCoalescer();
  /** Events with sequence numbers and MACs. Retries insert the same ids, so that each event is stored once. */
  let made: SequencedEvent[] = [];
  let readsPending = 0;
  let key: AuditKey | undefined;
  let failing = false;
  let stopped = false;
  let last: Promise<void> = Promise.resolve();

  const ready = async (): Promise<AuditKey> => (key = await loadKey().catch(throwTenantSecretsError));
  const insert = createInsertEvents(database);

  const commitMade = async (): Promise<void> => {
    while (made.length > 0) {
      const refused = await insertAllThatFit(insert, made.slice(0, maxRows));
      made = made.slice(maxRows);
      for (const { number, event, code } of refused) {
        lose(number);
        onLost({ action: event.action, code });
      }
    }
    readsPending = 0;
  };
  const commitWaiting = async (withFailures: boolean): Promise<void> => {
    // Events that failed before come first. Until they commit, new reads go on coalescing.
    await commitMade();
    const current = await ready();
    const unused = numbers.takeUnused();
    const taken = reads.take();
    const coalesced = withFailures ? [...taken, ...failures.takeCoalesced()] : taken;
    const nonces = randomBytes((unused.length + coalesced.length) * nonceBytes);
    const nonceOf = (i: number): Buffer => nonces.subarray(i * nonceBytes, (i + 1) * nonceBytes);
    made = [
      ...unused.map(({ first, count, number }, i) => ({
        number,
        event: eventOf(current, number, {
          content: unusedContent(first),
          times: { occurredAt: new Date(), count, lastAt: null },
          nonce: nonceOf(i),
        }),
      })),
      ...coalesced.map((each, i) => {
        const number = numbers.take();
        const nonce = nonceOf(unused.length + i);
        return {
          number,
          event: eventOf(current, number, { content: each.content, times: timesOf(each), nonce }),
        };
      }),
    ];
    readsPending = taken.length;
    await commitMade();
  };
  const hasWaiting = (withFailures: boolean): boolean =>
    made.length > 0 || reads.size > 0 || numbers.hasUnused() || (withFailures && failures.waiting > 0);

  const commit = async (withFailures: boolean): Promise<void> => {
    if (!hasWaiting(withFailures)) return;
    try {
      await commitWaiting(withFailures);
      failing = false;
    } catch (error) {
      failing = true;
      flushSoon();
      throw error instanceof TenantSecretsError ? error : unavailable();
    }
  };
  const flush = (withFailures: boolean): Promise<void> => {
    const flushed = last.then(() => commit(withFailures));
    last = flushed.catch(() => {});
    return flushed;
  };
  const flushSoon = onceIn(flushMs, () => {
    if (!stopped) void flush(false).catch(() => {});
  });
  const flushFailuresSoon = onceIn(flushFailuresMs, () => {
    if (!stopped) void flush(true).catch(() => flushFailuresSoon());
  });

  const lose = (number: SequenceNumber): void => {
    numbers.lose(number);
    flushSoon();
  };
  const addRow = async (content: EventContent): Promise<void> => {
    const current = await ready();
    const number = numbers.take();
    try {
      await insert([eventOf(current, number, { content })]);
    } catch {
      lose(number);
      throw unavailable();
    }
  };

  const recordInTransaction: AuditLog["recordInTransaction"] = async (statements, caller, given) => {
    const current = key;
    if (current === undefined)
      throw new TenantSecretsError("INTERNAL", "The audit log was used before it was ready.");
    const entries = "action" in given ? [given] : given;
    if (entries.length === 0) return;
    const events = entries.map((entry) => {
      const number = numbers.take();
      const { occurredAt = new Date() } = entry;
      const times = { occurredAt, count: 1, lastAt: null };
      return { number, event: eventOf(current, number, { content: contentOf(caller, entry), times }) };
    });
    statements.whenLost(() => {
      for (const { number } of events) lose(number);
    });
    await insertEventsInto(
      statements,
      events.map(({ event }) => event),
    );
  };

  const tryRecordBatched = (caller: AuditSubject, entry: AuditEntry): CoalescedEvent | undefined => {
    if (key === undefined || stopped) return undefined;
    const group = groupOf(caller, entry);
    if (readsPending + reads.size >= maxWaiting && !reads.has(group)) return undefined;
    const before = reads.size;
    const event = reads.add(group, contentOf(caller, entry), Date.now());
    if (before < flushAt && reads.size === flushAt && !failing) void flush(false).catch(() => {});
    else flushSoon();
    return event;
  };

  return {
    ready: async () => {
      await ready();
    },
    recordInTransaction,
    record: async (caller, entry) => {
      const content = contentOf(caller, entry);
      if (!isCoalesced(entry) || failures.admits(content, performance.now(), Date.now()))
        return addRow(content);
      flushFailuresSoon();
    },
    recordBatched: async (caller, entry) => {
      if (key === undefined) await ready();
      if (tryRecordBatched(caller, entry) === undefined) throw unavailable();
    },
    batchedRecorder: (caller, entry) => {
      let event: CoalescedEvent | undefined;
      return () => {
        if (event !== undefined && !stopped && reads.addTo(event, Date.now())) return true;
        event = tryRecordBatched(caller, entry);
        return event !== undefined;
      };
    },
    flush: () => flush(true),
    stop: async () => {
      stopped = true;
      const until = performance.now() + stopMs;
      for (;;) {
        try {
          return await flush(true);
        } catch (error) {
          if (performance.now() > until) throw error;
          await sleep(flushMs);
        }
      }
    },
  };
}

/** Reads of one group become one event. The actor id comes last, because code of the product chooses its characters. */
function groupOf({ actor, address }: AuditSubject, { companyId, secretKey, version }: AuditEntry): string {
  return `${companyId} ${version} ${secretKey} ${address} ${actor.kind} ${actor.id}`;
}

function unusedContent(first: number): EventContent {
  return {
    actorKind: "job",
    actorId: "audit-log",
    companyId: null,
    action: "audit.unused-sequence-numbers",
    secretKey: null,
    version: first,
    outcome: "success",
    reason: null,
    subject: null,
    requestId: null,
    address: null,
  };
}

function timesOf({ count, firstAtMs, lastAtMs }: CoalescedEvent): EventTimes {
  return { occurredAt: new Date(firstAtMs), count, lastAt: count === 1 ? null : new Date(lastAtMs) };
}

/** Calls `work` once, `ms` after the first request for it. The timer keeps no process alive. */
function onceIn(ms: number, work: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  return () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      work();
    }, ms).unref();
  };
}

function unavailable(): TenantSecretsError {
  return new TenantSecretsError(
    "AUDIT_UNAVAILABLE",
    "The audit log cannot be written to, so nothing was answered. Try again in a moment.",
    { retryAfterMs: 1000 },
  );
}
