import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createSequence } from "./sequence.ts";

const said = (numbers: ReturnType<typeof createSequence>) =>
  numbers.takeUnused().map(({ first, count, number }) => [first, count, number.sequenceNo]);

test("numbers are 1, 2, 3 …, and unused ones are reported once, neighbours as one range", () => {
  const numbers = createSequence();
  const taken = Array.from({ length: 9 }, () => numbers.take());
  expect(taken.map(({ sequenceNo }) => sequenceNo)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  for (const at of [7, 2, 1, 3, 5]) numbers.lose(taken[at - 1] ?? numbers.take());
  expect(said(numbers)).toEqual([
    [1, 3, 10],
    [5, 1, 11],
    [7, 1, 12],
  ]);
  expect([numbers.hasUnused(), said(numbers)]).toEqual([false, []]);
});

test("the reported ranges cover exactly the unused numbers, whatever their order", () => {
  const anyOrder = fc.array(fc.boolean(), { maxLength: 3000 }).chain((lost) =>
    fc.shuffledSubarray(
      [...lost.keys()].filter((at) => lost[at]),
      { minLength: lost.filter(Boolean).length },
    ),
  );
  fc.assert(
    fc.property(anyOrder, (order) => {
      const numbers = createSequence();
      const taken = Array.from({ length: 3000 }, () => numbers.take());
      for (const at of order) numbers.lose(taken[at] ?? numbers.take());
      const covered = numbers
        .takeUnused()
        .flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
      expect(covered).toEqual(order.map((at) => at + 1).toSorted((a, b) => a - b));
    }),
    { numRuns: 30 },
  );
});

test("a writer id ends before its numbers exceed the column, and still reports its unused numbers", () => {
  const numbers = createSequence(2);
  const [first, second, third] = [numbers.take(), numbers.take(), numbers.take()];
  expect([second.sequenceNo, third.sequenceNo]).toEqual([2, 1]);
  expect(second.writer.id).toBe(first.writer.id);
  expect(third.writer.id).not.toBe(first.writer.id);
  numbers.lose(second);
  expect(numbers.takeUnused()).toMatchObject([
    { first: 2, count: 1, number: { writer: first.writer, sequenceNo: 3 } },
  ]);
});
