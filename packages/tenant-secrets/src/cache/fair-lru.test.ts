import { assert, constantFrom, integer, array, property, tuple } from "fast-check";
import { describe, expect, test } from "vitest";
import { createFairLru } from "./fair-lru.ts";

interface Thing {
  readonly sizeBytes: number;
}

const thing = (sizeBytes = 10): Thing => ({ sizeBytes });

function createLru(maxEntries: number, maxBytes = 1_000_000) {
  return createFairLru<Thing>({ maxEntries, maxBytes });
}

describe("a fair LRU map", () => {
  test("evicts the least recently used entry over its bounds, of entries and of bytes", () => {
    const byEntries = createLru(3);
    for (const name of ["a", "b", "c"]) byEntries.set("acme", name, thing());
    byEntries.get("acme", "a");
    byEntries.set("acme", "d", thing());
    expect(["a", "b", "c", "d"].filter((name) => byEntries.get("acme", name) !== undefined)).toEqual([
      "a",
      "c",
      "d",
    ]);
    const byBytes = createLru(100, 100);
    byBytes.set("acme", "small", thing(10));
    byBytes.set("acme", "large", thing(95));
    expect([byBytes.get("acme", "small"), byBytes.get("acme", "large")]).toEqual([undefined, thing(95)]);
    byBytes.set("acme", "too large", thing(101));
    expect(byBytes.get("acme", "too large")).toBeUndefined();
    expect(byBytes.measure()).toEqual({ entries: 1, bytes: 95, evictions: 1 });
  });

  test("removes the entry before where the new value is larger than all of the room", () => {
    const lru = createLru(100, 100);
    lru.set("acme", "grown", thing(10));
    lru.set("acme", "grown", thing(101));
    expect(lru.get("acme", "grown")).toBeUndefined();
    expect(lru.measure()).toMatchObject({ entries: 0, bytes: 0 });
  });

  test("evicts nothing of an owner within its even share, however much another owner adds", () => {
    const lru = createLru(100);
    for (let i = 0; i < 50; i++) lru.set("quiet", `name-${i}`, thing());
    for (let i = 0; i < 10_000; i++) lru.set("noisy", `name-${i}`, thing());
    const left = Array.from({ length: 50 }, (_, i) => lru.get("quiet", `name-${i}`));
    expect(left.every((entry) => entry !== undefined)).toBe(true);
    expect(lru.measure().entries).toBe(100);
  });

  test("lets one owner fill the room alone, and evicts its entries when a second owner adds some", () => {
    const lru = createLru(100);
    for (let i = 0; i < 100; i++) lru.set("first", `name-${i}`, thing());
    for (let i = 0; i < 50; i++) lru.set("second", `name-${i}`, thing());
    expect(Array.from({ length: 50 }, (_, i) => lru.get("second", `name-${i}`))).not.toContain(undefined);
  });

  test("evicts entries of the owner that adds more, and not of another owner with as many", () => {
    const lru = createLru(100);
    for (let i = 0; i < 50; i++) for (const owner of ["one", "other"]) lru.set(owner, `name-${i}`, thing());
    lru.set("small", "name", thing());
    for (let i = 50; i < 100; i++) lru.set("one", `name-${i}`, thing());
    const left = Array.from({ length: 50 }, (_, i) => lru.get("other", `name-${i}`));
    expect(left.filter((entry) => entry === undefined).length).toBeLessThanOrEqual(1);
  });

  test("stores the newest entry also with more owners than room", () => {
    const lru = createLru(100);
    for (let i = 0; i < 1000; i++) {
      lru.set(`owner-${i}`, "name", thing());
      expect(lru.get(`owner-${i}`, "name")).toBeDefined();
    }
    expect(lru.measure()).toEqual({ entries: 100, bytes: 1000, evictions: 900 });
  });

  test("finds the victim in a few steps among 30,000 owners with one entry each and one owner with 20,000", () => {
    const owners = 30_000;
    const hoard = 20_000;
    let steps = 0;
    const lru = createFairLru<Thing>({ maxEntries: owners + hoard, maxBytes: 100_000_000 }, () => {
      steps += 1;
    });
    for (let i = 0; i < owners; i++) lru.set(`owner-${i}`, "name", thing());
    for (let i = 0; i < hoard; i++) lru.set("hoarder", `name-${i}`, thing());
    expect(lru.measure()).toMatchObject({ entries: owners + hoard, evictions: 0 });
    let most = 0;
    for (let i = 0; i < 1000; i++) {
      steps = 0;
      lru.set(`newcomer-${i}`, "name", thing());
      most = Math.max(most, steps);
    }
    // Two changes of the ranking, each of at most three comparisons for each doubling.
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(100);
    expect(lru.measure()).toMatchObject({ entries: owners + hoard, evictions: 1000 });
    const left = Array.from({ length: owners }, (_, i) => lru.get(`owner-${i}`, "name"));
    expect(left.filter((entry) => entry === undefined)).toEqual([]);
  });

  test("evicts the oldest owners first where more owners than room have one entry each", () => {
    const lru = createLru(1000);
    for (let i = 0; i < 1500; i++) lru.set(`owner-${i}`, "name", thing());
    const left = Array.from({ length: 1500 }, (_, i) => i).filter((i) => lru.get(`owner-${i}`, "name"));
    expect(left).toEqual(Array.from({ length: 1000 }, (_, i) => i + 500));
  });

  test("keeps owners and names apart, whatever characters they hold", () => {
    const lru = createLru(100);
    const places = [
      ["a b", "c"],
      ["a", "b c"],
      ["", ""],
      ["__proto__", "constructor"],
      ["constructor", "__proto__"],
    ] as const;
    for (const [i, [owner, name]] of places.entries()) lru.set(owner, name, thing(i + 1));
    expect(places.map(([owner, name]) => lru.get(owner, name)?.sizeBytes)).toEqual([1, 2, 3, 4, 5]);
    lru.deleteAll("a");
    expect(places.map(([owner, name]) => lru.get(owner, name)?.sizeBytes)).toEqual([1, undefined, 3, 4, 5]);
  });

  test("counts its entries and bytes exactly, and stays within its bounds, after any sequence of changes", () => {
    const owner = constantFrom("a", "b", "c", "d");
    const name = constantFrom("1", "2", "3", "4", "5", "6");
    const step = tuple(
      constantFrom("set", "set", "set", "delete", "deleteAll", "deleteWhere"),
      owner,
      name,
      integer({ min: 1, max: 40 }),
    );
    assert(
      property(array(step, { maxLength: 80 }), (steps) => {
        const lru = createFairLru<Thing>({ maxEntries: 8, maxBytes: 120 });
        for (const [what, o, n, size] of steps) {
          if (what === "set") lru.set(o, n, thing(size));
          else if (what === "delete") lru.delete(o, n);
          else if (what === "deleteAll") lru.deleteAll(o);
          else lru.deleteWhere(({ sizeBytes }) => sizeBytes === size);
          const { entries, bytes } = lru.measure();
          expect(entries).toBeLessThanOrEqual(8);
          expect(bytes).toBeLessThanOrEqual(120);
          const held = ["a", "b", "c", "d"].flatMap((each) =>
            ["1", "2", "3", "4", "5", "6"].flatMap((one) => lru.get(each, one) ?? []),
          );
          expect([entries, bytes]).toEqual([
            held.length,
            held.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
          ]);
          // An entry of at most the even share of one of four owners is stored at once.
          if (what === "set" && size <= 30) expect(lru.get(o, n)).toEqual(thing(size));
        }
      }),
    );
  });
});
