import type { KeyObject } from "node:crypto";
import { merkleRoot } from "./merkle.ts";
import { isRestoreMarker, type CheckpointRow } from "./batches.ts";
import type { Findings } from "./findings.ts";
import { parseCheckpoint, checkpointHash, checkpointText, isSigned, type Checkpoint } from "./checkpoint.ts";
import { unpackLeaves } from "./leaf.ts";
import { isTimelineSigned } from "./timeline.ts";

/** An archived checkpoint, as the log of a process has it. */
export interface LoggedCheckpoint {
  readonly batch: number;
  /** SHA-256, in hexadecimal. */
  readonly checkpoint: string;
  /** Undefined in lines of earlier releases. */
  readonly timeline?: number | undefined;
  /** The number of its events. */
  readonly events?: number | undefined;
}

/** A checkpoint that was checked, and that the next one is checked against. */
export interface CheckedCheckpoint {
  readonly row: CheckpointRow;
  readonly checkpoint: Checkpoint | undefined;
  /** Undefined where none is signed: programs of the first release sign none. */
  readonly timeline: number | undefined;
  /** Whether it is signed, as its row says, and continues the one before. */
  readonly isSound: boolean;
}

interface CheckpointCheck {
  readonly findings: Findings;
  /** The public keys that may have signed a checkpoint that names this version. */
  readonly publicKeysOf: (keyVersion: number) => Promise<readonly KeyObject[]>;
  readonly logged: ReadonlyMap<number, readonly LoggedCheckpoint[]>;
  /** Called with each archived checkpoint that the batch of its index does not have. */
  readonly onUnknown: (checkpoint: LoggedCheckpoint) => void;
}

/** Checks a checkpoint: its index, its chain, its row, its signature and the archived checkpoints. */
export async function checkCheckpoint(
  { findings, publicKeysOf, logged, onUnknown }: CheckpointCheck,
  row: CheckpointRow,
  before: CheckedCheckpoint | undefined,
): Promise<CheckedCheckpoint> {
  const { index } = row;
  const checkpoint = parseCheckpoint(row.checkpoint);
  const expected = (before?.row.index ?? 0) + 1;
  let isSound = index === expected;
  if (index > expected) {
    const which = index === expected + 1 ? `Batch ${expected} is` : `Batches ${expected} to ${index - 1} are`;
    findings.add("batch-missing", `${which} missing.`, index - expected);
  } else if (checkpoint !== undefined && !follows(row, checkpoint, before)) {
    isSound = false;
    findings.add("chain-broken", `Batch ${index} does not continue the one before it.`);
  }
  if (checkpoint === undefined || checkpointOfRow(row, checkpoint) !== row.checkpoint) {
    const sentence = `Batch ${index} was changed: its row, the leaves of its events and its checkpoint differ.`;
    findings.add("batch-changed", sentence);
    isSound = false;
  }
  const publicKeys = checkpoint === undefined ? [] : await publicKeysOf(checkpoint.key);
  const isOurs = isSigned(row.checkpoint, row.signature, publicKeys);
  if (!isOurs) {
    const key = checkpoint === undefined ? "of a key" : `of the key ${checkpoint.key}`;
    isSound = false;
    findings.add("signature-wrong", `Batch ${index} has no signature ${key} that is known to be ours.`);
  }
  const timeline = signedTimeline(row, publicKeys);
  if (timeline === "wrong" && isOurs) {
    isSound = false;
    findings.add(
      "signature-wrong",
      `The timeline of batch ${index} has no signature that is known to be ours.`,
    );
  }
  const checked = { row, checkpoint, timeline: timeline === "wrong" ? undefined : timeline, isSound };
  if (before !== undefined && isEarlier(checked, before)) {
    checked.isSound = false;
    findings.add("chain-broken", `Batch ${index} is of an earlier timeline than the one before it.`);
  }
  const hash = checkpointHash(row.checkpoint).toString("hex");
  for (const then of logged.get(index) ?? []) if (then.checkpoint !== hash) onUnknown(then);
  return checked;
}

/** @returns undefined without a timeline, and "wrong" where its signature is not ours */
function signedTimeline(
  { checkpoint, timeline, timelineSignature }: CheckpointRow,
  publicKeys: readonly KeyObject[],
): number | undefined | "wrong" {
  if (timeline === null && timelineSignature === null) return undefined;
  if (timeline === null || timelineSignature === null) return "wrong";
  return isTimelineSigned(checkpoint, { timeline, timelineSignature }, publicKeys) ? timeline : "wrong";
}

/** The timeline of a server never decreases. */
function isEarlier(checked: CheckedCheckpoint, before: CheckedCheckpoint): boolean {
  const [from, to] = [before.timeline, checked.timeline];
  return checked.row.cluster === before.row.cluster && from !== undefined && to !== undefined && to < from;
}

/** Whether a checkpoint continues the one before: its hash, the total and the interval of transactions. */
function follows(row: CheckpointRow, checkpoint: Checkpoint, before: CheckedCheckpoint | undefined): boolean {
  if (before === undefined) {
    return (
      checkpoint.previous === undefined &&
      checkpoint.total === row.size &&
      row.fromXid === "0" &&
      row.floor === 0n
    );
  }
  const continues =
    row.cluster === before.row.cluster
      ? row.fromXid === before.row.toXid && row.floor === before.row.floor
      : isRestoreMarker(row) && row.floor >= before.row.floor;
  return (
    continues &&
    checkpoint.previous?.equals(checkpointHash(before.row.checkpoint)) === true &&
    (before.checkpoint === undefined || checkpoint.total === before.checkpoint.total + row.size)
  );
}

/** The checkpoint that a row should have. Its total, previous hash and key are only in the checkpoint itself. */
function checkpointOfRow(row: CheckpointRow, { total, previous, key }: Checkpoint): string {
  const { index: batch, cluster, floor, size, fromXid: from, toXid: to, sealedAt } = row;
  const root = merkleRoot(unpackLeaves(row.leaves).map(({ hash }) => hash));
  return checkpointText({ cluster, batch, size, total, from, to, floor, root, previous, key, sealedAt });
}
