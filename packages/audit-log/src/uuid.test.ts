import { expect, test } from "vitest";
import { uuidv7 } from "./uuid.ts";

test("an id has the form of a UUID of version 7", () => {
  for (let i = 0; i < 1000; i++) {
    expect(uuidv7()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
});

// RFC 9562, appendix A.6.
test("an id begins with the milliseconds, as in the example of RFC 9562", () => {
  expect(uuidv7(0x01_7f_22_e2_79_b0)).toMatch(/^017f22e2-79b0-7/);
});

test.for([0, 1, 2 ** 32, 2 ** 48 - 1])("an id of the time %i begins with that time", (nowMs) => {
  expect(Number.parseInt(uuidv7(nowMs).replaceAll("-", "").slice(0, 12), 16)).toBe(nowMs);
});

test("ids sort by time as text, also where the time gains a digit", () => {
  const times = [0, 1, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Date.now(), 2 ** 47];
  const ids = times.map((nowMs) => uuidv7(nowMs));
  expect(ids.toSorted()).toEqual(ids);
});

test("an id has the current time by default", () => {
  const before = Date.now();
  const at = Number.parseInt(uuidv7().replaceAll("-", "").slice(0, 12), 16);
  expect(at).toBeGreaterThanOrEqual(before);
  expect(at).toBeLessThanOrEqual(Date.now());
});

test("no id repeats, also within one millisecond", () => {
  expect(new Set(Array.from({ length: 10_000 }, () => uuidv7(1))).size).toBe(10_000);
});
