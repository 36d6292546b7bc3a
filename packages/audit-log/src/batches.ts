import { and, asc, desc, eq, gt, gte, inArray, lt, lte, or } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import type { EventRow } from "./leaf.ts";

const { auditCheckpoints, auditEvents } = tables;

export type CheckpointRow = typeof auditCheckpoints.$inferSelect;

/**
 * The events of a batch, without a list of them: an interval of transactions that had all ended when it was sealed, within an
 * interval of positions, because after a restore on another cluster the same numbers name other transactions.
 */
export interface Span {
  /** From the first, before the second; without the second, to the end. */
  readonly fromXid: string;
  readonly toXid: string | undefined;
  /** After the first, up to the second; each is unbounded where it is undefined. */
  readonly floor: bigint | undefined;
  readonly ceiling: bigint | undefined;
}

/** The place of an event in the order of sealing. */
export type Place = Pick<EventRow, "xid" | "id">;

/** The next events of a span, in the order of sealing. */
export function selectEvents(
  statements: Statements,
  { fromXid, toXid, floor, ceiling }: Span,
  { after, limit }: { readonly after: Place | undefined; readonly limit: number },
): Promise<EventRow[]> {
  const { xid, id, position } = auditEvents;
  return statements
    .select()
    .from(auditEvents)
    .where(
      and(
        gte(xid, after?.xid ?? fromXid),
        toXid === undefined ? undefined : lt(xid, toXid),
        floor === undefined ? undefined : gt(position, floor),
        ceiling === undefined ? undefined : lte(position, ceiling),
        after === undefined ? undefined : or(gt(xid, after.xid), gt(id, after.id)),
      ),
    )
    .orderBy(asc(xid), asc(id))
    .limit(limit);
}

export async function findLastCheckpoint(statements: Statements): Promise<CheckpointRow | undefined> {
  const [row] = await statements
    .select()
    .from(auditCheckpoints)
    .orderBy(desc(auditCheckpoints.index))
    .limit(1);
  return row;
}

/** Whether a checkpoint is a restore marker: it closes the events of another cluster, and covers no interval. */
export function isRestoreMarker({ fromXid, toXid }: Pick<CheckpointRow, "fromXid" | "toXid">): boolean {
  return fromXid === "0" && toXid === "0";
}

/** The restore markers in order: one for each restore on another cluster. */
export function selectRestoreMarkers(
  statements: Statements,
): Promise<Pick<CheckpointRow, "index" | "floor">[]> {
  return statements
    .select({ index: auditCheckpoints.index, floor: auditCheckpoints.floor })
    .from(auditCheckpoints)
    .where(and(eq(auditCheckpoints.fromXid, "0"), eq(auditCheckpoints.toXid, "0")))
    .orderBy(asc(auditCheckpoints.index));
}

/** The checkpoints after an index, in order. */
export function selectCheckpoints(
  statements: Statements,
  after: number,
  limit: number,
): Promise<CheckpointRow[]> {
  return statements
    .select()
    .from(auditCheckpoints)
    .where(gt(auditCheckpoints.index, after))
    .orderBy(asc(auditCheckpoints.index))
    .limit(limit);
}

export async function findCheckpoint(
  statements: Statements,
  index: number,
): Promise<CheckpointRow | undefined> {
  const [row] = await statements.select().from(auditCheckpoints).where(eq(auditCheckpoints.index, index));
  return row;
}

export function selectEventsById(statements: Statements, ids: readonly string[]): Promise<EventRow[]> {
  return statements
    .select()
    .from(auditEvents)
    .where(inArray(auditEvents.id, [...ids]));
}
