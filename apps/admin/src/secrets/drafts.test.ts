import { expect, test, vi } from "vitest";
import { createUnsaved } from "./drafts.ts";

test("a draft belongs to one secret of one company, until it is taken away", () => {
  const drafts = createUnsaved<string>();
  drafts.set("acmecorp", "STRIPE_SECRET_KEY", "sk_test_fake_mine_0001");
  expect(drafts.find("acmecorp", "STRIPE_SECRET_KEY")).toBe("sk_test_fake_mine_0001");
  expect(drafts.find("codewiser", "STRIPE_SECRET_KEY")).toBeUndefined();
  expect(drafts.find("acmecorp", "SENDGRID_API_KEY")).toBeUndefined();
  drafts.set("acmecorp", "STRIPE_SECRET_KEY", null);
  expect(drafts.find("acmecorp", "STRIPE_SECRET_KEY")).toBeUndefined();
});

test("the names of a company's drafts are the same array until one comes or goes", () => {
  const drafts = createUnsaved<string>();
  drafts.set("acmecorp", "B", "1");
  drafts.set("acmecorp", "A", "1");
  const names = drafts.names("acmecorp");
  expect(names).toEqual(["A", "B"]);
  drafts.set("acmecorp", "A", "2");
  expect(drafts.names("acmecorp")).toBe(names);
  drafts.set("acmecorp", "B", null);
  expect(drafts.names("acmecorp")).toEqual(["A"]);
});

test("a change is told to listeners, and the number of drafts where it changes", () => {
  const onCount = vi.fn<(count: number) => void>();
  const onChange = vi.fn<() => void>();
  const drafts = createUnsaved<string>(onCount);
  const stop = drafts.subscribe(onChange);
  drafts.set("acmecorp", "A", "1");
  drafts.set("acmecorp", "A", "2");
  drafts.set("codewiser", "A", "1");
  drafts.set("codewiser", "B", null);
  expect(onCount.mock.calls).toEqual([[1], [2]]);
  expect(onChange).toHaveBeenCalledTimes(4);
  drafts.clear();
  expect(onCount).toHaveBeenLastCalledWith(0);
  expect(drafts.names("acmecorp")).toEqual([]);
  stop();
  drafts.set("acmecorp", "A", "1");
  expect(onChange).toHaveBeenCalledTimes(5);
});
