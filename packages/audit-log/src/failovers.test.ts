import { expect, test } from "vitest";
import { checkpointHash, checkpointText, type Checkpoint } from "./checkpoint.ts";
import { createFailovers } from "./failovers.ts";
import type { CheckedCheckpoint } from "./verify-checkpoint.ts";

function checked(
  batch: number,
  timeline: number | undefined,
  { isSound = true, cluster = "7" }: { readonly isSound?: boolean; readonly cluster?: string } = {},
): CheckedCheckpoint {
  const sealedAt = new Date(batch * 1000);
  const checkpoint: Checkpoint = {
    cluster,
    batch,
    size: 0,
    total: 0,
    from: "1",
    to: "2",
    floor: 0n,
    root: Buffer.alloc(32),
    previous: undefined,
    key: 1,
    sealedAt,
  };
  const row = {
    index: batch,
    cluster,
    floor: 0n,
    fromXid: "1",
    toXid: "2",
    size: 0,
    leaves: Buffer.alloc(0),
    checkpoint: checkpointText(checkpoint),
    signature: "",
    timeline: timeline ?? null,
    timelineSignature: null,
    sealedAt,
  };
  return { row, checkpoint, timeline, isSound };
}

const archived = (batch: number, timeline: number | undefined) => ({
  batch,
  timeline,
  checkpoint: checkpointHash(`${batch} ${timeline}`).toString("hex"),
});

test("a failover explains later checkpoints of the earlier timeline, and no others", () => {
  const failovers = createFailovers();
  failovers.add(checked(3, 1), checked(4, 2));
  const lost = [archived(4, 1), archived(5, 1)];
  const others = [archived(3, 1), archived(4, undefined), archived(5, 2), archived(9, 3)];
  for (const each of [...lost, ...others]) failovers.addUnknown(each);
  const settled = failovers.settle();
  expect(settled.failovers.map((each) => each.lost)).toEqual([lost]);
  expect(settled.unexplained).toEqual(others);
});

test("only two sound checkpoints of one cluster and a later timeline are a failover", () => {
  for (const [before, next] of [
    [checked(3, 1), checked(4, 1)],
    [checked(3, 2), checked(4, 1)],
    [checked(3, undefined), checked(4, 2)],
    [checked(3, 1), checked(4, undefined)],
    [checked(3, 1, { isSound: false }), checked(4, 2)],
    [checked(3, 1), checked(4, 2, { isSound: false })],
    [checked(3, 1), checked(4, 2, { cluster: "8" })],
  ] as const) {
    const failovers = createFailovers();
    failovers.add(before, next);
    failovers.addUnknown(archived(4, 1));
    expect(failovers.settle()).toEqual({ failovers: [], unexplained: [archived(4, 1)] });
  }
});
