import { setImmediate as nextTurn } from "node:timers/promises";
import type { Across } from "@repo/db";
import { isGenuine, type AuditKey } from "./event.ts";
import { selectEvents, selectEventsById, type CheckpointRow, type Place, type Span } from "./batches.ts";
import type { Findings } from "./findings.ts";
import type { SequenceGaps } from "./sequence-gaps.ts";
import { leafOf, unpackLeaves, type EventRow } from "./leaf.ts";

type Leaves = ReadonlyMap<string, Buffer>;
type Positions = Pick<Span, "floor" | "ceiling">;

export interface EventCheckDependencies {
  readonly across: Across;
  readonly loadMacKey: (keyVersion: number) => Promise<AuditKey | undefined>;
  readonly findings: Findings;
  readonly numbers: SequenceGaps;
  /** The last pruned batch, whose events may be absent; 0 without one. */
  readonly prunedThrough: number;
  /** Called with each genuine event. */
  readonly onGenuine: (event: EventRow) => void;
}

/** Compares events with their leaves and their MACs. */
export interface EventCheck {
  /**
   * The events of neighbouring batches.
   *
   * @param elsewhere the leaves of a later restore marker, whose transactions have numbers of this interval
   */
  intervals(batches: readonly CheckpointRow[], positions: Positions, elsewhere: Leaves): Promise<void>;
  /** The events of a restore marker, and that no others of its cluster are unsealed. */
  restoreMarker(batch: CheckpointRow, fromXid: string, positions: Positions): Promise<void>;
  /** Events that are not sealed yet. @returns how many */
  unsealed(span: Span, elsewhere?: Leaves): Promise<number>;
  /** The number of events that were checked. */
  count(): number;
}

const pageSize = 1000;

export function leavesOf({ leaves }: Pick<CheckpointRow, "leaves">): Map<string, Buffer> {
  return new Map(unpackLeaves(leaves).map(({ id, hash }) => [id, hash]));
}

export function createEventCheck({
  across,
  loadMacKey,
  findings,
  numbers,
  prunedThrough,
  onGenuine,
}: EventCheckDependencies): EventCheck {
  let count = 0;

  /** @param batch of the event; undefined for an unsealed event */
  const checkMac = async (event: EventRow, batch: CheckpointRow | undefined): Promise<void> => {
    count++;
    const key = await loadMacKey(event.macKeyVersion);
    if (key !== undefined && isGenuine(key, event)) {
      onGenuine(event);
      return numbers.add(event, batch?.sealedAt.getTime());
    }
    const where = batch === undefined ? "and is not sealed" : `before it was sealed in batch ${batch.index}`;
    findings.add(
      "event-not-genuine",
      `Event ${event.id} has no MAC of this deployment: it was changed or inserted, ${where}.`,
    );
    numbers.excuse(event);
  };

  const checkLeaf = async (event: EventRow, leaf: Buffer, batch: CheckpointRow): Promise<void> => {
    if (leafOf(event).equals(leaf)) return checkMac(event, batch);
    count++;
    findings.add(
      "event-changed",
      `Event ${event.id} was changed after it was sealed in batch ${batch.index}.`,
    );
    numbers.excuse(event);
  };

  const inserted = (event: EventRow, batch: CheckpointRow): void => {
    count++;
    findings.add(
      "event-inserted",
      `Event ${event.id} was inserted: batch ${batch.index} covers its transaction, and was sealed without it.`,
    );
  };

  /** Events by their ids, wherever they are. @returns the leaves whose events are nowhere */
  const eachById = async (
    leaves: Leaves,
    check: (event: EventRow, leaf: Buffer) => void | Promise<void>,
  ): Promise<string[]> => {
    const missing = new Map(leaves);
    const ids = [...leaves.keys()];
    for (let start = 0; start < ids.length; start += pageSize) {
      const page = ids.slice(start, start + pageSize);
      for (const event of await across((statements) => selectEventsById(statements, page))) {
        const leaf = missing.get(event.id);
        missing.delete(event.id);
        if (leaf !== undefined) await check(event, leaf);
      }
    }
    return [...missing.keys()];
  };

  const removed = (ids: readonly string[], batch: CheckpointRow): void => {
    if (batch.index <= prunedThrough) return;
    for (const id of ids) {
      findings.add("event-removed", `Event ${id} was removed after it was sealed in batch ${batch.index}.`);
    }
  };

  const eachEvent = async (span: Span, check: (event: EventRow) => void | Promise<void>): Promise<void> => {
    let after: Place | undefined;
    for (;;) {
      const page = await across((statements) => selectEvents(statements, span, { after, limit: pageSize }));
      for (const event of page) await check(event);
      after = page.at(-1);
      if (page.length < pageSize) return;
      await nextTurn();
    }
  };

  return {
    count: () => count,

    intervals: async ([first, ...others], positions, elsewhere) => {
      if (first === undefined) return;
      let batch = first;
      let leaves = leavesOf(batch);
      /** What a batch has, and was not met where its events are. */
      const finish = async (): Promise<void> => {
        const done = batch;
        const missing = await eachById(leaves, (event) => {
          count++;
          findings.add(
            "event-changed",
            `Event ${event.id} was moved after it was sealed in batch ${done.index}: its place is another one now.`,
          );
          numbers.excuse(event);
        });
        removed(missing, done);
      };
      const span = { fromXid: first.fromXid, toXid: (others.at(-1) ?? first).toXid, ...positions };
      await eachEvent(span, async (event) => {
        while (BigInt(event.xid) >= BigInt(batch.toXid)) {
          const next = others.shift();
          if (next === undefined) break;
          await finish();
          batch = next;
          leaves = leavesOf(batch);
        }
        const leaf = leaves.get(event.id);
        leaves.delete(event.id);
        if (leaf !== undefined) await checkLeaf(event, leaf, batch);
        else if (!elsewhere.has(event.id)) inserted(event, batch);
      });
      await finish();
      for (const rest of others) {
        batch = rest;
        leaves = leavesOf(batch);
        await finish();
      }
    },

    restoreMarker: async (batch, fromXid, positions) => {
      const leaves = leavesOf(batch);
      removed(await eachById(leaves, (event, leaf) => checkLeaf(event, leaf, batch)), batch);
      await eachEvent({ fromXid, toXid: undefined, ...positions }, (event) => {
        if (!leaves.has(event.id)) inserted(event, batch);
      });
    },

    unsealed: async (span, elsewhere) => {
      let found = 0;
      await eachEvent(span, async (event) => {
        if (elsewhere?.has(event.id) === true) return;
        found++;
        await checkMac(event, undefined);
      });
      return found;
    },
  };
}
