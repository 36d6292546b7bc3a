import { and, asc, eq, gt, lte, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { z } from "zod";
import { selectEvents } from "./batches.ts";
import type { EventRow } from "./leaf.ts";

const { auditCheckpoints, auditEvents } = tables;

/** The content of the next batch. */
export interface Content {
  readonly fromXid: bigint;
  readonly toXid: bigint;
  readonly floor: bigint;
  readonly events: readonly EventRow[];
  readonly full: boolean;
}

/**
 * A restore point, read after a restore on another cluster. Events up to the floor existed before the transaction `xid`. Once
 * every earlier transaction has ended, no other event can appear below the floor. Processes may read different restore points;
 * the first one that is sealed holds.
 */
export interface Restored {
  readonly floor: bigint;
  readonly xid: bigint;
}

const Xid = z.string().transform(BigInt);
const Horizon = z.tuple([z.object({ horizon: Xid })]);

/** @returns the oldest transaction that still runs: all before it have ended */
export async function readHorizon(statements: Statements): Promise<z.infer<typeof Horizon>[0]> {
  const rows = await statements.execute(sql`select pg_snapshot_xmin(pg_current_snapshot())::text as horizon`);
  return Horizon.parse([...rows])[0];
}

const RestorePoint = z.tuple([z.object({ floor: Xid, xid: Xid })]);

export async function readRestorePoint(statements: Statements): Promise<Restored> {
  const rows = await statements.execute(sql`
    select coalesce(max(position), 0)::text as floor, pg_snapshot_xmax(pg_current_snapshot())::text as xid
    from audit_events`);
  return RestorePoint.parse([...rows])[0];
}

/** The events between two floors that are in no batch. */
export function selectUnsealed(statements: Statements, from: bigint, to: bigint): Promise<EventRow[]> {
  return statements
    .select()
    .from(auditEvents)
    .where(
      and(
        gt(auditEvents.position, from),
        lte(auditEvents.position, to),
        sql`not exists (
          select from ${auditCheckpoints} b, generate_series(0, b.size - 1) i
          where b.floor = ${from}
            and encode(substring(b.leaves from i * 48 + 1 for 16), 'hex')::uuid = ${auditEvents.id})`,
      ),
    )
    .orderBy(asc(auditEvents.xid), asc(auditEvents.id));
}

/** @returns the events from `fromXid` to the horizon, about `limit` of them, with whole transactions */
export async function readInterval(
  statements: Statements,
  fromXid: bigint,
  { horizon, floor, limit }: { readonly horizon: bigint; readonly floor: bigint; readonly limit: number },
): Promise<Content> {
  const span = { fromXid: String(fromXid), toXid: String(horizon), floor, ceiling: undefined };
  const events = await selectEvents(statements, span, { after: undefined, limit: limit + 1 });
  const beyond = events[limit];
  if (beyond === undefined) return { fromXid, toXid: horizon, floor, events, full: false };
  const whole = events.filter(({ xid }) => xid !== beyond.xid);
  if (whole.length > 0) return { fromXid, toXid: BigInt(beyond.xid), floor, events: whole, full: true };
  const transaction = await statements
    .select()
    .from(auditEvents)
    .where(and(eq(auditEvents.xid, beyond.xid), gt(auditEvents.position, floor)))
    .orderBy(asc(auditEvents.id));
  return { fromXid, toXid: BigInt(beyond.xid) + 1n, floor, events: transaction, full: true };
}

/** @returns the transaction of the first event that no interval covers yet */
export async function findWaiting(
  statements: Statements,
  toXid: bigint,
  floor: bigint,
): Promise<bigint | undefined> {
  const span = { fromXid: String(toXid), toXid: undefined, floor, ceiling: undefined };
  const [first] = await selectEvents(statements, span, { after: undefined, limit: 1 });
  return first === undefined ? undefined : BigInt(first.xid);
}
