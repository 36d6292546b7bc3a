import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { createShares, type ShareOptions } from "./shares.ts";

const shared = (options: Partial<ShareOptions>) =>
  createShares({ atOnce: 1, maxWaiting: 100, timeoutMs: 60_000, isSuspended: () => false, ...options });

/** Work that runs until the test ends it. */
function held() {
  const ends: (() => void)[] = [];
  const begun: string[] = [];
  const work = (name: string) => () => {
    begun.push(name);
    return new Promise<string>((resolve) => ends.push(() => resolve(name)));
  };
  return { ends, begun, work };
}

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => "no error",
    (error: unknown) => String(Reflect.get(Object(error), "code")),
  );

describe("an owner's calls", () => {
  test("run as many at once as its share, the others in order after them, and another owner's at once", async () => {
    const shares = shared({ atOnce: 2 });
    const { ends, begun, work } = held();
    const calls = ["a", "b", "c", "d"].map((name) => shares.run("acme", work(name)));
    await sleep(1);
    expect(begun).toEqual(["a", "b"]);
    const other = shares.run("other", work("z"));
    await sleep(1);
    expect(begun).toEqual(["a", "b", "z"]);
    ends[0]?.();
    await calls[0];
    await sleep(1);
    expect(begun).toEqual(["a", "b", "z", "c"]);
    while (ends.length < 5) {
      for (const end of ends) end();
      await sleep(1);
    }
    for (const end of ends) end();
    expect(await Promise.all([...calls, other])).toEqual(["a", "b", "c", "d", "z"]);
  });

  test("are refused where too many wait, or one has waited for too long, and are let in again afterwards", async () => {
    const shares = shared({ maxWaiting: 1, timeoutMs: 30 });
    const { ends, begun, work } = held();
    const running = shares.run("acme", work("a"));
    const waiting = codeOf(shares.run("acme", work("b")));
    expect(await codeOf(shares.run("acme", work("c")))).toBe("COMPANY_BUSY");
    expect(await waiting).toBe("COMPANY_BUSY");
    ends[0]?.();
    expect(await running).toBe("a");
    expect(begun).toEqual(["a"]);
    const later = shares.run("acme", () => Promise.resolve("d"));
    expect(await later).toBe("d");
  });

  test("give their place back also where they fail", async () => {
    const shares = shared({});
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        codeOf(
          shares.run("acme", async () => {
            await Promise.resolve();
            if (i % 2 === 0) throw new Error("failed");
          }),
        ),
      ),
    );
    expect(outcomes.filter((outcome) => outcome === "no error")).toHaveLength(25);
    expect(await shares.run("acme", () => Promise.resolve("let in"))).toBe("let in");
  });

  test("wait for nothing while there is no server, those included who wait already", async () => {
    let isSuspended = false;
    const shares = shared({ isSuspended: () => isSuspended });
    const { ends, begun, work } = held();
    const calls = ["a", "b", "c"].map((name) => shares.run("acme", work(name)));
    await sleep(1);
    isSuspended = true;
    calls.push(shares.run("acme", work("d")));
    await sleep(1);
    expect(begun).toEqual(["a", "d"]);
    ends[0]?.();
    await sleep(1);
    expect(begun).toEqual(["a", "d", "b", "c"]);
    isSuspended = false;
    for (const end of ends) end();
    expect(await Promise.all(calls)).toEqual(["a", "b", "c", "d"]);
    expect(await shares.run("acme", () => Promise.resolve("let in"))).toBe("let in");
  });
});
