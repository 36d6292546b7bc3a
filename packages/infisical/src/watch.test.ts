import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { InfisicalError } from "./errors.ts";
import { rightTo } from "./rights.ts";
import { createWatch } from "./watch.ts";
import type { InfisicalNews } from "./watch.ts";

let news: InfisicalNews[] = [];
beforeEach(() => {
  news = [];
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => vi.useRealTimers());
const start = () => createWatch((each) => news.push(each));
const levels = () => news.map(({ level, code }) => `${level} ${code ?? "-"}`);
const create = rightTo.create("/tenants/acmecorp");

test("says once that an outage begins, whatever follows, and once that it has ended", () => {
  const watch = start();
  for (const code of ["UNREACHABLE", "TIMEOUT", "SERVER_ERROR", "AMBIGUOUS"] as const) {
    for (let i = 0; i < 50; i += 1) watch.failed(new InfisicalError(code));
    vi.advanceTimersByTime(1_000);
    watch.succeeded([]);
  }
  expect(levels()).toEqual(["error UNREACHABLE"]);
  expect(news[0]?.sentence).toMatch(/INFISICAL_SITE_URL.*served from the cache.*writes fail/);
  expect(watch.troubles()).toEqual([news[0]?.sentence]);
  vi.advanceTimersByTime(5_000);
  watch.succeeded([]);
  watch.succeeded([]);
  expect(levels()).toEqual(["error UNREACHABLE", "info -"]);
  expect(news[1]?.sentence).toBe("Infisical answers again; the outage lasted 3 s.");
  expect(watch.troubles()).toEqual([]);
});

test("a denied right ends when that right is shown, and not with a success of another kind", () => {
  const watch = start();
  const denied = () => watch.failed(new InfisicalError("FORBIDDEN", { right: create }));
  for (let i = 0; i < 50; i += 1) denied();
  watch.succeeded([rightTo.read("/tenants/acmecorp"), rightTo.create("/tenants")]);
  expect(levels()).toEqual(["error FORBIDDEN"]);
  expect(news[0]?.sentence).toContain("may not create secrets below /tenants");
  watch.succeeded([rightTo.create("/tenants/codewiser")]);
  expect(levels()).toEqual(["error FORBIDDEN", "info -"]);
  denied();
  vi.advanceTimersByTime(600_000);
  expect(watch.troubles()).toEqual([]);
  expect(levels()).toEqual(["error FORBIDDEN", "info -", "error FORBIDDEN", "info -"]);
});

test("a refused log-in ends with one that is let in, and not with a call that the old token served", () => {
  const watch = start();
  watch.failed(new InfisicalError("UNAUTHORIZED"));
  vi.advanceTimersByTime(10_000);
  watch.succeeded([]);
  expect(levels()).toEqual(["error UNAUTHORIZED"]);
  watch.loggedIn();
  watch.succeeded([]);
  expect(levels()).toEqual(["error UNAUTHORIZED", "info -"]);
});

test("says nothing of a caller's wrong input, or of a company's spent share", () => {
  const watch = start();
  watch.failed(new InfisicalError("INVALID_INPUT"));
  watch.failed(new InfisicalError("RATE_LIMITED", { isOwnLimit: true }));
  expect(news).toEqual([]);
  watch.failed(new InfisicalError("RATE_LIMITED"));
  watch.failed(new InfisicalError("NOT_FOUND"));
  watch.failed(new InfisicalError("FORBIDDEN"));
  expect(levels()).toEqual(["warn RATE_LIMITED", "error NOT_FOUND", "error FORBIDDEN"]);
});
