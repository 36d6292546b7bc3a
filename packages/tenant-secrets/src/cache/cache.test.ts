import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { createKeptAnswers, type KeptAnswersOptions } from "./cache.ts";

class Away extends Error {}

function started(options: Partial<KeptAnswersOptions<string>> = {}) {
  const kept = createKeptAnswers<string>({
    maxEntries: 100,
    maxBytes: 100_000,
    freshMs: 60_000,
    absentMs: 60_000,
    staleMs: 60_000,
    sizeOf: (value) => value.length,
    isAway: (error) => error instanceof Away,
    isAwayForAll: (error) => error instanceof Away && error.message !== "for this one",
    ...options,
  });
  kept.start();
  return kept;
}

const question = { owner: "acme", name: "KEY", source: "database" };

/** Something to ask, which counts how often it is. */
function source(answer: () => string | undefined | Promise<string | undefined>) {
  const asked = { times: 0 };
  const ask = async (): Promise<string | undefined> => {
    asked.times += 1;
    return answer();
  };
  return { asked, ask };
}

describe("an answer", () => {
  test("is asked for once, by however many at once, and is at hand afterwards", async () => {
    const kept = started();
    const { ask, asked } = source(async () => {
      await sleep(5);
      return "value";
    });
    const all = await Promise.all(Array.from({ length: 1000 }, () => kept.get(question, ask)));
    expect(new Set(all)).toEqual(new Set(["value"]));
    expect(kept.peek(question)).toMatchObject({ value: "value" });
    expect(await kept.get(question, ask)).toBe("value");
    expect(asked.times).toBe(1);
    expect(kept.measure()).toMatchObject({ misses: 1, joined: 999, hits: 2 });
  });

  test("is true for a while, and that there is nothing for a shorter one", async () => {
    const kept = started({ freshMs: 200, absentMs: 20 });
    const there = source(() => "value");
    const absent = source(() => undefined);
    const other = { ...question, name: "ABSENT" };
    await Promise.all([kept.get(question, there.ask), kept.get(other, absent.ask)]);
    expect([kept.peek(question)?.value, kept.peek(other)]).toEqual([
      "value",
      expect.objectContaining({ value: undefined }),
    ]);
    await sleep(40);
    expect(kept.peek(other)).toBeUndefined();
    await kept.get(other, absent.ask);
    expect(absent.asked.times).toBe(2);
    await sleep(180);
    expect(kept.peek(question)).toBeUndefined();
    await kept.get(question, there.ask);
    expect(there.asked.times).toBe(2);
  });

  test("is kept for less long where it says so itself", async () => {
    const kept = started({ keepMsOf: () => 10 });
    await kept.get(question, source(() => "value").ask);
    await sleep(15);
    expect(kept.peek(question)).toBeUndefined();
  });

  test("of one source is none of another", async () => {
    const kept = started();
    await kept.get(question, source(() => "old place").ask);
    const moved = { ...question, source: "elsewhere" };
    expect(kept.peek(moved)).toBeUndefined();
    expect(await kept.get(moved, source(() => "new place").ask)).toBe("new place");
  });

  test("is not kept, only shared, by who does not hear of changes", async () => {
    const kept = started();
    const { ask, asked } = source(() => "value");
    await kept.get(question, ask);
    kept.stop();
    expect(kept.peek(question)).toBeUndefined();
    await Promise.all([kept.get(question, ask), kept.get(question, ask)]);
    await kept.get(question, ask);
    expect(asked.times).toBe(3);
    expect(kept.measure()).toMatchObject({ entries: 0, bytes: 0 });
  });
});

describe("a change", () => {
  test("is seen by whoever asks after it, also while what was there before is still on its way", async () => {
    const kept = started();
    const slow = Promise.withResolvers<string>();
    const before = kept.get(question, () => slow.promise);
    kept.forget("acme");
    const after = kept.get(question, source(() => "new").ask);
    slow.resolve("old");
    expect([await before, await after]).toEqual(["old", "new"]);
    expect(kept.peek(question)?.value).toBe("new");
  });

  test("leaves nothing behind of an answer that comes after it", async () => {
    for (const change of ["forget", "forget one", "forget where", "doubt"]) {
      const kept = started();
      const slow = Promise.withResolvers<string>();
      const before = kept.get(question, () => slow.promise);
      if (change === "forget") kept.forget("acme");
      else if (change === "forget one") kept.forget("acme", "KEY");
      else if (change === "forget where") kept.forgetWhere(() => false);
      else kept.doubt();
      slow.resolve("old");
      await before;
      expect(kept.peek(question), change).toBeUndefined();
    }
  });

  test("leaves nothing behind of an answer that another source was asked for meanwhile", async () => {
    const kept = started();
    const slow = Promise.withResolvers<string>();
    const before = kept.get(question, () => slow.promise);
    await kept.get({ ...question, source: "elsewhere" }, source(() => "new").ask);
    kept.forget("acme");
    slow.resolve("old");
    await before;
    expect(kept.peek(question)).toBeUndefined();
  });

  test("of one owner, or one name, is no news of the others", async () => {
    const kept = started();
    const questions = ["acme", "other"].flatMap((owner) =>
      ["KEY", "TOKEN"].map((name) => ({ ...question, owner, name })),
    );
    for (const each of questions) await kept.get(each, source(() => "value").ask);
    kept.forget("acme", "KEY");
    expect(questions.map((each) => kept.peek(each) !== undefined)).toEqual([false, true, true, true]);
    kept.forget("acme");
    expect(questions.map((each) => kept.peek(each) !== undefined)).toEqual([false, false, true, true]);
  });

  test("of some values takes these, and all that was not there", async () => {
    const kept = started();
    const at = (name: string) => ({ ...question, name });
    await kept.get(at("A"), source(() => "one").ask);
    await kept.get(at("B"), source(() => "two").ask);
    await kept.get(at("C"), source(() => undefined).ask);
    kept.forgetWhere((value) => value === "one");
    expect(kept.peek(at("C"))).toBeUndefined();
    expect(["A", "B", "C"].map((name) => kept.peek(at(name))?.value)).toEqual([undefined, "two", undefined]);
  });

  test("is never unseen, whatever is on its way when it happens", async () => {
    const kept = started();
    let current = 0;
    const turns = async (): Promise<void> => {
      for (let i = Math.floor(Math.random() * 4); i > 0; i--) await Promise.resolve();
      if (Math.random() < 0.3) await new Promise<void>((resolve) => setImmediate(resolve));
    };
    const ask = async (): Promise<string> => {
      await turns();
      const seen = String(current);
      await turns();
      return seen;
    };
    const reader = async (): Promise<void> => {
      for (let i = 0; i < 300; i++) {
        const known = current;
        const value = kept.peek(question)?.value ?? (await kept.get(question, ask));
        expect(Number(value)).toBeGreaterThanOrEqual(known);
        await turns();
      }
    };
    const writer = async (): Promise<void> => {
      for (let i = 0; i < 200; i++) {
        await turns();
        current += 1;
        kept.forget("acme");
      }
    };
    await Promise.all([reader(), reader(), reader(), writer(), reader()]);
  });
});

describe("while nobody can be asked", () => {
  const away = () => Promise.reject(new Away());

  test("an older answer is served up to its ceiling, and the failure after that", async () => {
    const kept = started({ freshMs: 10, staleMs: 150 });
    await kept.get(question, source(() => "value").ask);
    await sleep(20);
    expect(await kept.get(question, away)).toBe("value");
    await sleep(150);
    await expect(kept.get(question, away)).rejects.toBeInstanceOf(Away);
    expect(kept.measure().staleHits).toBe(1);
  });

  test("what is known to have changed is not served, nor that something was not there", async () => {
    const kept = started({ absentMs: 5 });
    await kept.get(question, source(() => "value").ask);
    kept.forget("acme");
    await expect(kept.get(question, away)).rejects.toBeInstanceOf(Away);
    const absent = { ...question, name: "ABSENT" };
    await kept.get(absent, source(() => undefined).ask);
    await sleep(10);
    await expect(kept.get(absent, away)).rejects.toBeInstanceOf(Away);
  });

  test("what may have changed is served, and asked for again as soon as somebody can be", async () => {
    const kept = started();
    await kept.get(question, source(() => "value").ask);
    kept.doubt();
    expect(kept.peek(question)).toBeUndefined();
    expect(await kept.get(question, away)).toBe("value");
    kept.doubt();
    await sleep(1050);
    expect(await kept.get(question, source(() => "new").ask)).toBe("new");
  });

  test("one asks now and then whether somebody can be, and the others do not wait for that", async () => {
    const kept = started({ freshMs: 1 });
    await kept.get(question, source(() => "value").ask);
    await sleep(5);
    const hanging = source(() => new Promise<string>(() => {}));
    const startedAt = performance.now();
    expect(await kept.get(question, hanging.ask)).toBe("value");
    const waitedMs = performance.now() - startedAt;
    expect(
      await Promise.all(Array.from({ length: 100 }, () => kept.get(question, hanging.ask))),
    ).toHaveLength(100);
    expect(performance.now() - startedAt - waitedMs).toBeLessThan(500);
    expect(hanging.asked.times).toBe(1);
  });

  test("what can be asked is asked, where only something else of the source cannot be", async () => {
    const kept = started({ freshMs: 5 });
    await kept.get(question, source(() => "value").ask);
    await sleep(10);
    const other = { ...question, owner: "other" };
    await expect(kept.get(other, () => Promise.reject(new Away("for this one")))).rejects.toBeInstanceOf(
      Away,
    );
    expect(await kept.get(question, source(() => "new").ask)).toBe("new");
    await sleep(10);
    await expect(kept.get(other, () => Promise.reject(new Away()))).rejects.toBeInstanceOf(Away);
    expect(await kept.get(question, source(() => "newest").ask)).toBe("new");
  });

  test("a failure is not kept, and whoever asks next asks anew", async () => {
    const kept = started();
    await expect(kept.get(question, away)).rejects.toBeInstanceOf(Away);
    expect(await kept.get(question, source(() => "value").ask)).toBe("value");
  });

  test("another kind of failure is nobody's older answer", async () => {
    const kept = started({ freshMs: 5 });
    await kept.get(question, source(() => "value").ask);
    await sleep(10);
    await expect(kept.get(question, () => Promise.reject(new Error("does not open")))).rejects.toThrow(
      "does not open",
    );
    await expect(kept.get(question, away)).rejects.toBeInstanceOf(Away);
  });
});
