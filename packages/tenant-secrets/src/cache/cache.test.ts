import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { createCache, type CacheSettings } from "./cache.ts";

class Unavailable extends Error {}

function started(options: Partial<CacheSettings<string>> = {}) {
  const cache = createCache<string>({
    maxEntries: 100,
    maxBytes: 100_000,
    ttlMs: 60_000,
    negativeTtlMs: 60_000,
    staleIfErrorMs: 60_000,
    sizeOf: (value) => value.length,
    isUnavailable: (error) => error instanceof Unavailable,
    isSourceUnavailable: (error) => error instanceof Unavailable && error.message !== "for this one",
    ...options,
  });
  cache.start();
  return cache;
}

const key = { owner: "acme", name: "KEY", source: "database" };

/** A source that counts its loads. */
function source(answer: () => string | undefined | Promise<string | undefined>) {
  const loads = { times: 0 };
  const load = async (): Promise<string | undefined> => {
    loads.times += 1;
    return answer();
  };
  return { loads, load };
}

describe("a cached value", () => {
  test("is loaded once for 1,000 concurrent reads, and answers the reads after them", async () => {
    const cache = started();
    const { load, loads } = source(async () => {
      await sleep(5);
      return "value";
    });
    const all = await Promise.all(Array.from({ length: 1000 }, () => cache.get(key, load)));
    expect(new Set(all)).toEqual(new Set(["value"]));
    expect(cache.peek(key)).toMatchObject({ value: "value" });
    expect(await cache.get(key, load)).toBe("value");
    expect(loads.times).toBe(1);
    expect(cache.measure()).toMatchObject({ misses: 1, joined: 999, hits: 2 });
  });

  test("is fresh for its TTL, and a cached absence for the shorter negative TTL", async () => {
    const cache = started({ ttlMs: 200, negativeTtlMs: 20 });
    const there = source(() => "value");
    const absent = source(() => undefined);
    const other = { ...key, name: "ABSENT" };
    await Promise.all([cache.get(key, there.load), cache.get(other, absent.load)]);
    expect([cache.peek(key)?.value, cache.peek(other)]).toEqual([
      "value",
      expect.objectContaining({ value: undefined }),
    ]);
    await sleep(40);
    expect(cache.peek(other)).toBeUndefined();
    await cache.get(other, absent.load);
    expect(absent.loads.times).toBe(2);
    await sleep(180);
    expect(cache.peek(key)).toBeUndefined();
    await cache.get(key, there.load);
    expect(there.loads.times).toBe(2);
  });

  test("expires after a TTL of its own where that is shorter", async () => {
    const cache = started({ ttlMsOf: () => 10 });
    await cache.get(key, source(() => "value").load);
    await sleep(15);
    expect(cache.peek(key)).toBeUndefined();
  });

  test("of one source does not answer for another source", async () => {
    const cache = started();
    await cache.get(key, source(() => "old place").load);
    const moved = { ...key, source: "elsewhere" };
    expect(cache.peek(moved)).toBeUndefined();
    expect(await cache.get(moved, source(() => "new place").load)).toBe("new place");
  });

  test("is shared by concurrent reads and not stored before start and after stop", async () => {
    const cache = started();
    const { load, loads } = source(() => "value");
    await cache.get(key, load);
    cache.stop();
    expect(cache.peek(key)).toBeUndefined();
    await Promise.all([cache.get(key, load), cache.get(key, load)]);
    await cache.get(key, load);
    expect(loads.times).toBe(3);
    expect(cache.measure()).toMatchObject({ entries: 0, bytes: 0 });
  });
});

describe("an invalidation", () => {
  test("by a match removes the cached absence of a secret that was made, and of no other one", async () => {
    const cache = started();
    const other = { ...key, name: "OTHER" };
    await Promise.all([key, other].map((each) => cache.get(each, async () => undefined)));
    cache.invalidateMatching("acme", (name) => name === key.name);
    expect(await cache.get(key, async () => "made")).toBe("made");
    expect(await cache.get(other, async () => "made")).toBeUndefined();
  });

  test("is seen by every read after it, also while a load from before it is in flight", async () => {
    const cache = started();
    const slow = Promise.withResolvers<string>();
    const before = cache.get(key, () => slow.promise);
    cache.invalidate("acme");
    const after = cache.get(key, source(() => "new").load);
    slow.resolve("old");
    expect([await before, await after]).toEqual(["old", "new"]);
    expect(cache.peek(key)?.value).toBe("new");
  });

  test("keeps a load that ends after it from being stored", async () => {
    for (const change of ["owner", "name", "where", "stale"]) {
      const cache = started();
      const slow = Promise.withResolvers<string>();
      const before = cache.get(key, () => slow.promise);
      if (change === "owner") cache.invalidate("acme");
      else if (change === "name") cache.invalidate("acme", "KEY");
      else if (change === "where") cache.invalidateWhere(() => false);
      else cache.markStale();
      slow.resolve("old");
      await before;
      expect(cache.peek(key), change).toBeUndefined();
    }
  });

  test("keeps the in-flight load of another source from being stored", async () => {
    const cache = started();
    const slow = Promise.withResolvers<string>();
    const before = cache.get(key, () => slow.promise);
    await cache.get({ ...key, source: "elsewhere" }, source(() => "new").load);
    cache.invalidate("acme");
    slow.resolve("old");
    await before;
    expect(cache.peek(key)).toBeUndefined();
  });

  test("of one owner or one name leaves the other entries", async () => {
    const cache = started();
    const keys = ["acme", "other"].flatMap((owner) =>
      ["KEY", "TOKEN"].map((name) => ({ ...key, owner, name })),
    );
    for (const each of keys) await cache.get(each, source(() => "value").load);
    cache.invalidate("acme", "KEY");
    expect(keys.map((each) => cache.peek(each) !== undefined)).toEqual([false, true, true, true]);
    cache.invalidate("acme");
    expect(keys.map((each) => cache.peek(each) !== undefined)).toEqual([false, false, true, true]);
  });

  test("of matching values removes these and all cached absences", async () => {
    const cache = started();
    const at = (name: string) => ({ ...key, name });
    await cache.get(at("A"), source(() => "one").load);
    await cache.get(at("B"), source(() => "two").load);
    await cache.get(at("C"), source(() => undefined).load);
    cache.invalidateWhere((value) => value === "one");
    expect(cache.peek(at("C"))).toBeUndefined();
    expect(["A", "B", "C"].map((name) => cache.peek(at(name))?.value)).toEqual([undefined, "two", undefined]);
  });

  test("is missed by no read, whatever is in flight when it happens", async () => {
    const cache = started();
    let current = 0;
    const turns = async (): Promise<void> => {
      for (let i = Math.floor(Math.random() * 4); i > 0; i--) await Promise.resolve();
      if (Math.random() < 0.3) await new Promise<void>((resolve) => setImmediate(resolve));
    };
    const load = async (): Promise<string> => {
      await turns();
      const seen = String(current);
      await turns();
      return seen;
    };
    const reader = async (): Promise<void> => {
      for (let i = 0; i < 300; i++) {
        const known = current;
        const value = cache.peek(key)?.value ?? (await cache.get(key, load));
        expect(Number(value)).toBeGreaterThanOrEqual(known);
        await turns();
      }
    };
    const writer = async (): Promise<void> => {
      for (let i = 0; i < 200; i++) {
        await turns();
        current += 1;
        cache.invalidate("acme");
      }
    };
    await Promise.all([reader(), reader(), reader(), writer(), reader()]);
  });
});

describe("while the source is unavailable", () => {
  const unavailable = () => Promise.reject(new Unavailable());

  test("a stale value is served up to its stale-if-error time, and the failure after that", async () => {
    const cache = started({ ttlMs: 10, staleIfErrorMs: 150 });
    await cache.get(key, source(() => "value").load);
    await sleep(20);
    expect(await cache.get(key, unavailable)).toBe("value");
    await sleep(150);
    await expect(cache.get(key, unavailable)).rejects.toBeInstanceOf(Unavailable);
    expect(cache.measure().staleHits).toBe(1);
  });

  test("neither an invalidated value nor a cached absence is served", async () => {
    const cache = started({ negativeTtlMs: 5 });
    await cache.get(key, source(() => "value").load);
    cache.invalidate("acme");
    await expect(cache.get(key, unavailable)).rejects.toBeInstanceOf(Unavailable);
    const absent = { ...key, name: "ABSENT" };
    await cache.get(absent, source(() => undefined).load);
    await sleep(10);
    await expect(cache.get(absent, unavailable)).rejects.toBeInstanceOf(Unavailable);
  });

  test("a value that was marked stale is served, and loaded again once the source is available", async () => {
    const cache = started();
    await cache.get(key, source(() => "value").load);
    cache.markStale();
    expect(cache.peek(key)).toBeUndefined();
    expect(await cache.get(key, unavailable)).toBe("value");
    cache.markStale();
    await sleep(1050);
    expect(await cache.get(key, source(() => "new").load)).toBe("new");
  });

  test("one read at a time tries the source, and the others do not wait for it", async () => {
    const cache = started({ ttlMs: 1 });
    await cache.get(key, source(() => "value").load);
    await sleep(5);
    const hanging = source(() => new Promise<string>(() => {}));
    const startedAt = performance.now();
    expect(await cache.get(key, hanging.load)).toBe("value");
    const waitedMs = performance.now() - startedAt;
    expect(await Promise.all(Array.from({ length: 100 }, () => cache.get(key, hanging.load)))).toHaveLength(
      100,
    );
    expect(performance.now() - startedAt - waitedMs).toBeLessThan(500);
    expect(hanging.loads.times).toBe(1);
  });

  test("a key is loaded where only another key of the source failed", async () => {
    const cache = started({ ttlMs: 5 });
    await cache.get(key, source(() => "value").load);
    await sleep(10);
    const other = { ...key, owner: "other" };
    await expect(
      cache.get(other, () => Promise.reject(new Unavailable("for this one"))),
    ).rejects.toBeInstanceOf(Unavailable);
    expect(await cache.get(key, source(() => "new").load)).toBe("new");
    await sleep(10);
    await expect(cache.get(other, () => Promise.reject(new Unavailable()))).rejects.toBeInstanceOf(
      Unavailable,
    );
    expect(await cache.get(key, source(() => "newest").load)).toBe("new");
  });

  test("a failure is not cached, and the next read loads again", async () => {
    const cache = started();
    await expect(cache.get(key, unavailable)).rejects.toBeInstanceOf(Unavailable);
    expect(await cache.get(key, source(() => "value").load)).toBe("value");
  });

  test("a failure of another kind is thrown, and removes the stale value", async () => {
    const cache = started({ ttlMs: 5 });
    await cache.get(key, source(() => "value").load);
    await sleep(10);
    await expect(cache.get(key, () => Promise.reject(new Error("does not open")))).rejects.toThrow(
      "does not open",
    );
    await expect(cache.get(key, unavailable)).rejects.toBeInstanceOf(Unavailable);
  });
});
