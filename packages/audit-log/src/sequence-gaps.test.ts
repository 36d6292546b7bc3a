import { expect, test } from "vitest";
import { createSequenceGaps } from "./sequence-gaps.ts";
import type { SealedEvent } from "./leaf.ts";

const writerId = "01900000-0000-7000-8000-000000000001";

function event(sequenceNo: number, more: Partial<SealedEvent> = {}): SealedEvent {
  return {
    id: "01900000-0000-7000-8000-000000000000",
    companyId: null,
    occurredAt: new Date(0),
    actorKind: "operator",
    actorId: "test",
    action: "company.list",
    secretKey: null,
    version: null,
    outcome: "success",
    reason: null,
    subject: null,
    requestId: null,
    address: null,
    count: 1,
    lastAt: null,
    writerId,
    sequenceNo,
    nonce: Buffer.alloc(16),
    macKeyVersion: 1,
    mac: Buffer.alloc(32),
    ...more,
  };
}

/** What is missing of these numbers, sealed a second apart in this order, where a process has a minute. */
function missing(numbers: readonly number[], ...more: SealedEvent[]): string[] {
  const sequenceGaps = createSequenceGaps();
  numbers.forEach((sequenceNo, index) => sequenceGaps.add(event(sequenceNo), index * 1000));
  for (const each of more) sequenceGaps.add(each, 0);
  return sequenceGaps
    .findMissing(60_000)
    .map(({ first, count, outlived }) => `${first}+${count}${outlived ? "" : "?"}`);
}

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

test("numbers in any order and repeated numbers leave no gap", () => {
  expect(missing(upTo(100))).toEqual([]);
  expect(missing(upTo(100).toReversed())).toEqual([]);
  expect(missing([2, 4, 6, 1, 3, 5, 5, 1])).toEqual([]);
  expect(missing(upTo(100).toSorted((a, b) => ((a * 37) % 101) - ((b * 37) % 101)))).toEqual([]);
});

test("a gap is a finding once its writer went on for a minute, and may come from a kill before", () => {
  expect(missing([2, ...upTo(100).slice(2)])).toEqual(["1+1"]);
  expect(missing(upTo(100).filter((sequenceNo) => sequenceNo < 10 || sequenceNo > 14))).toEqual(["10+5"]);
  expect(missing(upTo(100).filter((sequenceNo) => sequenceNo !== 95))).toEqual(["95+1?"]);
  expect(missing(upTo(100).filter((sequenceNo) => sequenceNo !== 10 && sequenceNo !== 95))).toEqual([
    "10+1",
    "95+1?",
  ]);
});

test("numbers that a writer reports as unused may be missing or present, and numbers beside them may not be missing", () => {
  const gap = event(101, { action: "audit.unused-sequence-numbers", version: 10, count: 3 });
  const without = (...gone: number[]) => upTo(100).filter((sequenceNo) => !gone.includes(sequenceNo));
  expect(missing(without(10, 11, 12), gap)).toEqual([]);
  expect(missing(without(11), gap)).toEqual([]);
  expect(missing(without(9, 10, 11, 12, 13), gap)).toEqual(["9+1", "13+1"]);
  const another = event(1, {
    action: "audit.unused-sequence-numbers",
    version: 10,
    count: 3,
    writerId: writerId.replace(/1$/, "2"),
  });
  expect(missing(without(10, 11, 12), another)).toEqual(["10+3"]);
});

test("an event without a number and an excused event leave no gap", () => {
  const sequenceGaps = createSequenceGaps();
  sequenceGaps.add(event(0, { writerId: null, sequenceNo: null }), 0);
  sequenceGaps.add(event(1), 0);
  sequenceGaps.excuse(event(2));
  sequenceGaps.add(event(3), 90_000);
  expect(sequenceGaps.findMissing(0)).toEqual([]);
});

test("a gap is lost only where it lies around a loss", () => {
  const sequenceGaps = createSequenceGaps();
  // Sealed a minute apart: 2, 5 and 8 are missing.
  for (const sequenceNo of [1, 3, 4, 6, 7, 9]) sequenceGaps.add(event(sequenceNo), sequenceNo * 60_000);
  const loss = { fromMs: 4 * 60_000, toMs: 6 * 60_000 };
  expect(sequenceGaps.findMissing(0, undefined, [loss]).map(({ first, lost }) => [first, lost])).toEqual([
    [2, false],
    [5, true],
    [8, false],
  ]);
});
