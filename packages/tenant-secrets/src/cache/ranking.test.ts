import { array, assert, constantFrom, integer, property, tuple } from "fast-check";
import { expect, test } from "vitest";
import { createRanking } from "./ranking.ts";

test("a ranking finds the heaviest item, and the heaviest other than an exception, after any sequence of changes", () => {
  const step = tuple(
    constantFrom("put", "put", "delete"),
    integer({ min: 0, max: 9 }),
    integer({ min: 0, max: 5 }),
  );
  assert(
    property(array(step, { maxLength: 60 }), (steps) => {
      const ranking = createRanking<number>();
      // In insertion order, which decides between equal weights.
      const weights = new Map<number, number>();
      for (const [what, item, weight] of steps) {
        weights.delete(item);
        if (what === "put") {
          ranking.put(item, weight);
          weights.set(item, weight);
        } else ranking.delete(item);
        for (const except of [-1, item, weight]) {
          const others = [...weights].filter(([each]) => each !== except);
          const most = Math.max(...others.map(([, each]) => each));
          expect(ranking.heaviest(except)).toBe(others.find(([, each]) => each === most)?.[0]);
        }
      }
      ranking.clear();
      expect(ranking.heaviest(-1)).toBeUndefined();
    }),
  );
});
