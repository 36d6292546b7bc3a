import { expect, test } from "vitest";
import { startDeadline } from "./deadline.ts";
import { createSharedReads } from "./shared-reads.ts";

test("makes two requests out of a hundred equal reads at once, of which none is older than its question", async () => {
  const shared = createSharedReads<number>();
  let current = 1;
  let requests = 0;
  const read = async () => {
    requests += 1;
    const found = current;
    await new Promise((resolve) => setTimeout(resolve, 20));
    return found;
  };
  const ask = () => shared("/tenants/acmecorp", startDeadline(5_000), read);
  const first = ask();
  current = 2;
  const later = Array.from({ length: 99 }, ask);
  expect(await first).toBe(1);
  expect(new Set(await Promise.all(later))).toEqual(new Set([2]));
  expect(requests).toBe(2);
  current = 3;
  expect(await ask()).toBe(3);
});

test("shared reads keep each caller's deadline, and a failure reaches only the callers of that request", async () => {
  const shared = createSharedReads<string>();
  const { promise: hung, reject } = Promise.withResolvers<string>();
  const first = shared("a", startDeadline(5_000), () => hung);
  const late = shared("a", startDeadline(50), () => Promise.resolve("next"));
  await expect(late).rejects.toMatchObject({ code: "TIMEOUT" });
  const patient = shared("a", startDeadline(5_000), () => Promise.resolve("never asked"));
  expect(await shared("b", startDeadline(50), () => Promise.resolve("other"))).toBe("other");
  reject(new Error("fake failure"));
  await expect(first).rejects.toThrow("fake failure");
  expect(await patient).toBe("next");
});
