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

const flushMs = 250;
const countsMs = 5000;
const flushAt = 2000;
const maxHeld = 10_000;
const maxRows = 1000;
const stopMs = 10_000;

interface SequencedEvent {
  readonly number: SequenceNumber;
  readonly event: NewEvent;
}

/**
 * @param loadKey the audit log's current MAC key; asked for at every event, so it caches
 * @param onLost told of each event that the database refuses for what is in it. It is given up, so that the others get through
 */
export function createAuditLog(
  database: Database,
  loadKey: () => Promise<AuditKey>,
  onLost: (event: LostEvent) => void = () => {},
): AuditLog {
  const numbers = createSequence();
  const reads = createCoalescer();
  const failures = createFailureCoalescer();
  /** Events with their numbers and MACs. They are tried with the same ids until they are there, so each is there once. */
  let made: SequencedEvent[] = [];
  let readsMade = 0;
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
    readsMade = 0;
  };
  const commitWaiting = async (withCounts: boolean): Promise<void> => {
    // What failed before goes first. Until it is through, whatever comes goes on being counted together.
    await commitMade();
    const current = await ready();
    const gaps = numbers.takeUnused();
    const taken = reads.take();
    const tallies = withCounts ? [...taken, ...failures.takeCoalesced()] : taken;
    const nonces = randomBytes((gaps.length + tallies.length) * nonceBytes);
    const nonceOf = (i: number): Buffer => nonces.subarray(i * nonceBytes, (i + 1) * nonceBytes);
    made = [
      ...gaps.map(({ first, count, number }, i) => ({
        number,
        event: eventOf(
          current,
          number,
          unusedContent(first),
          { occurredAt: new Date(), count, lastAt: null },
          nonceOf(i),
        ),
      })),
      ...tallies.map((tally, i) => {
        const number = numbers.take();
        const nonce = nonceOf(gaps.length + i);
        return { number, event: eventOf(current, number, tally.content, timesOf(tally), nonce) };
      }),
    ];
    readsMade = taken.length;
    await commitMade();
  };
  const somethingWaits = (withCounts: boolean): boolean =>
    made.length > 0 || reads.size > 0 || numbers.hasUnused() || (withCounts && failures.waiting > 0);

  const commit = async (withCounts: boolean): Promise<void> => {
    if (!somethingWaits(withCounts)) return;
    try {
      await commitWaiting(withCounts);
      failing = false;
    } catch (error) {
      failing = true;
      flushSoon();
      throw error instanceof TenantSecretsError ? error : unavailable();
    }
  };
  const flush = (withCounts: boolean): Promise<void> => {
    const flushed = last.then(() => commit(withCounts));
    last = flushed.catch(() => {});
    return flushed;
  };
  const flushSoon = onceIn(flushMs, () => {
    if (!stopped) void flush(false).catch(() => {});
  });
  const flushCountsSoon = onceIn(countsMs, () => {
    if (!stopped) void flush(true).catch(() => flushCountsSoon());
  });

  const lose = (number: SequenceNumber): void => {
    numbers.lose(number);
    flushSoon();
  };
  const addRow = async (content: EventContent): Promise<void> => {
    const current = await ready();
    const number = numbers.take();
    try {
      await insert([eventOf(current, number, content)]);
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
      return { number, event: eventOf(current, number, contentOf(caller, entry), times) };
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
    const place = placeOf(caller, entry);
    if (readsMade + reads.size >= maxHeld && !reads.has(place)) return undefined;
    const before = reads.size;
    const tally = reads.add(place, contentOf(caller, entry), Date.now());
    if (before < flushAt && reads.size === flushAt && !failing) void flush(false).catch(() => {});
    else flushSoon();
    return tally;
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
      flushCountsSoon();
    },
    recordBatched: async (caller, entry) => {
      if (key === undefined) await ready();
      if (tryRecordBatched(caller, entry) === undefined) throw unavailable();
    },
    batchedRecorder: (caller, entry) => {
      let tally: CoalescedEvent | undefined;
      return () => {
        if (tally !== undefined && !stopped && reads.addTo(tally, Date.now())) return true;
        tally = tryRecordBatched(caller, entry);
        return tally !== undefined;
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

/** Which reads are one event. An id comes last, since code of the product may have given it any characters. */
function placeOf({ actor, address }: AuditSubject, { companyId, secretKey, version }: AuditEntry): string {
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

/** Does something once, that long after it was first asked for. Keeps no process alive. */
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
