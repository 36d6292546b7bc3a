import { expect, test, vi } from "vitest";
import { InfisicalError } from "./errors.ts";
import { createRateBudget, parseRateState } from "./rate-budget.ts";

const list = (path: string) => ({ route: "GET secrets", path }) as const;
const told = { limit: 40, remaining: 40, resetMs: 60_000 };

/** How many of this many requests may be sent. */
function admitted(budget: ReturnType<typeof createRateBudget>, path: string, times: number): number {
  let count = 0;
  for (let i = 0; i < times; i += 1) {
    try {
      budget.take(list(path))();
      count += 1;
    } catch (error) {
      if (!(error instanceof InfisicalError) || error.isOwnLimit !== true) throw error;
    }
  }
  return count;
}

test("a company, with everything below its folder, gets a quarter of each route's remaining requests", () => {
  const budget = createRateBudget(undefined);
  budget.learn(list("/tenants/acmecorp"), told);
  expect(admitted(budget, "/tenants/acmecorp", 7)).toBe(7);
  expect(admitted(budget, "/tenants/acmecorp/below", 9)).toBe(1);
  expect(admitted(budget, "/tenants/codewiser", 300)).toBe(6);
  budget.take({ route: "GET secret", path: "/tenants/acmecorp" });
});

test("ten processes of one company together leave a share to others", () => {
  const processes = Array.from({ length: 10 }, () => createRateBudget(undefined));
  let remaining = told.limit;
  for (let round = 0; round < 300; round += 1) {
    for (const budget of processes) {
      budget.learn(list("/tenants/acmecorp"), { ...told, remaining });
      remaining -= admitted(budget, "/tenants/acmecorp", 1);
    }
  }
  expect(remaining).toBeGreaterThan(10);
  expect(admitted(processes[0] ?? createRateBudget(undefined), "/tenants/codewiser", 300)).toBeGreaterThan(0);
});

test("lets a write find out what became of it when its company's share is spent", () => {
  const budget = createRateBudget(undefined);
  budget.learn(list("/tenants/acmecorp"), { ...told, remaining: 5 });
  expect(admitted(budget, "/tenants/acmecorp", 9)).toBe(1);
  budget.take({ ...list("/tenants/acmecorp"), isPartOfWrite: true })();
});

test("keeps the last tenth for what no company owns", () => {
  const budget = createRateBudget(undefined);
  budget.learn(list("/hono-api"), { ...told, remaining: 6 });
  const open = ["a", "b"].map((name) => budget.take(list(`/tenants/${name}`)));
  expect(open).toHaveLength(2);
  expect(admitted(budget, "/tenants/c", 1)).toBe(0);
  expect(admitted(budget, "/hono-api", 5)).toBe(5);
});

test("the budget resets with the server's minute, and has no limit if the server reports none", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  try {
    const budget = createRateBudget(undefined);
    expect(admitted(budget, "/tenants/acmecorp", 1_000)).toBe(1_000);
    budget.learn(list("/"), { ...told, resetMs: 9_000 });
    expect(admitted(budget, "/tenants/acmecorp", 1)).toBe(0);
    vi.advanceTimersByTime(9_001);
    expect(admitted(budget, "/tenants/acmecorp", 300)).toBe(8);
  } finally {
    vi.useRealTimers();
  }
});

test("takes a limit that was configured until the server tells another one", () => {
  const budget = createRateBudget(120);
  expect(admitted(budget, "/tenants/acmecorp", 300)).toBe(24);
  budget.learn(list("/"), { limit: 400, remaining: 350, resetMs: 60_000 });
  expect(admitted(budget, "/tenants/acmecorp", 300)).toBe(51);
});

test.for([
  ["40", "39", "60", { limit: 40, remaining: 39, resetMs: 60_000 }],
  ["40", "0", "999999", { limit: 40, remaining: 0, resetMs: 60_000 }],
  ["0", "0", "1", undefined],
  ["40", "-1", "1", undefined],
  ["40", "", "1", undefined],
  ["40;w=60", "1", "1", undefined],
] as const)("reads the headers %s, %s, %s", ([limit, remaining, reset, state]) => {
  const headers = new Headers({
    "x-ratelimit-limit": limit,
    "x-ratelimit-remaining": remaining,
    "x-ratelimit-reset": reset,
  });
  expect(parseRateState((name) => headers.get(name))).toEqual(state);
});
