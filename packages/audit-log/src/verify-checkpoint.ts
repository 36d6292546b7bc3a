import type { KeyObject } from "node:crypto";
import { merkleRoot } from "./merkle.ts";
import { closesCluster, type BatchRow } from "./batches.ts";
import type { Findings } from "./findings.ts";
import { findHead, headHash, headText, isSigned, type Head } from "./checkpoint.ts";
import { unpackLeaves } from "./leaf.ts";

/** A line of the log: which head a batch had when it was sealed. */
export interface LoggedHead {
  readonly batch: number;
  /** SHA-256, in hexadecimal. */
  readonly head: string;
}

/** A batch that was checked, and is what the next one is held to. */
export interface CheckedBatch {
  readonly row: BatchRow;
  readonly head: Head | undefined;
}

interface BatchCheck {
  readonly findings: Findings;
  /** The keys that may have signed a head that names this one. */
  readonly publicKeysOf: (no: number) => Promise<readonly KeyObject[]>;
  readonly logged: ReadonlyMap<number, readonly LoggedHead[]>;
}

/** Checks a batch by itself and against the one before: the numbers, the chain, its head, its signature, the log. */
export async function checkBatch(
  { findings, publicKeysOf, logged }: BatchCheck,
  row: BatchRow,
  before: CheckedBatch | undefined,
): Promise<CheckedBatch> {
  const { no } = row;
  const head = findHead(row.head);
  const expected = (before?.row.no ?? 0) + 1;
  if (no > expected) {
    const which = no === expected + 1 ? `Batch ${expected} is` : `Batches ${expected} to ${no - 1} are`;
    findings.add("batch-missing", `${which} missing.`, no - expected);
  } else if (head !== undefined && !follows(row, head, before)) {
    findings.add("chain-broken", `Batch ${no} does not continue the one before it.`);
  }
  if (head === undefined || headOfRow(row, head) !== row.head) {
    const sentence = `Batch ${no} was changed: its row, the seals of its events and its head do not say the same.`;
    findings.add("batch-changed", sentence);
  }
  if (head === undefined || !isSigned(row.head, row.signature, await publicKeysOf(head.key))) {
    const key = head === undefined ? "of a key" : `of the key ${head.key}`;
    findings.add("signature-wrong", `Batch ${no} has no signature ${key} that is known to be ours.`);
  }
  const hash = headHash(row.head).toString("hex");
  for (const { head: then } of logged.get(no) ?? []) {
    if (then === hash) continue;
    findings.add("head-unknown", `Batch ${no} is not the one whose head was logged when it was sealed.`);
  }
  return { row, head };
}

/** Whether a batch continues the one before: its head, the total, and the transactions without a gap. */
function follows(row: BatchRow, head: Head, before: CheckedBatch | undefined): boolean {
  if (before === undefined) {
    return head.previous === undefined && head.total === row.size && row.fromXid === "0" && row.floor === 0n;
  }
  const continues =
    row.cluster === before.row.cluster
      ? row.fromXid === before.row.toXid && row.floor === before.row.floor
      : closesCluster(row) && row.floor >= before.row.floor;
  return (
    continues &&
    head.previous?.equals(headHash(before.row.head)) === true &&
    (before.head === undefined || head.total === before.head.total + row.size)
  );
}

/** The head that a row would have; what only a head has is taken from it. */
function headOfRow(row: BatchRow, { total, previous, key }: Head): string {
  const { no: batch, cluster, floor, size, fromXid: from, toXid: to, sealedAt } = row;
  const root = merkleRoot(unpackLeaves(row.leaves).map(({ hash }) => hash));
  return headText({ cluster, batch, size, total, from, to, floor, root, previous, key, sealedAt });
}
