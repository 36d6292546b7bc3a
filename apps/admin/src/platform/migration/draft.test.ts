import { expect, test } from "vitest";
import { emptyDraft, namesIn, startOf, typedWordOf, type Draft } from "./draft.ts";

const draft = (changes: Partial<Draft>): Draft => ({ ...emptyDraft, named: "codewiser", ...changes });
const scope = { companies: ["codewiser"], ratePerMinute: 60 };

test("each verb is sent with its own options, and with no others", () => {
  const options = { leave: "OLD, OLDER", takeNewest: true, acceptLosses: true, folders: "2" } as const;
  const inputOf = (verb: Draft["verb"]) => startOf(draft({ ...options, verb }))?.input;
  expect(inputOf("plan")).toEqual({ ...scope, before: "switch" });
  expect(inputOf("copy")).toEqual({ ...scope, takeNewest: true });
  expect(inputOf("verify")).toEqual(scope);
  expect(inputOf("switch")).toEqual({ ...scope, to: "hybrid", leave: ["OLD", "OLDER"], takeNewest: true });
  expect(inputOf("rollback")).toEqual({ ...scope, to: "infisical", acceptLosses: true });
  expect(inputOf("cleanup")).toEqual({ ...scope, afterDays: 30, folders: 2 });
});

test("a roll back to the hybrid store loses nothing, and accepts nothing", () => {
  const back = draft({ verb: "rollback", rollbackTo: "hybrid", acceptLosses: true });
  expect(startOf(back)?.input).toEqual({ ...scope, to: "hybrid", acceptLosses: false });
  expect(typedWordOf(back)).toBeUndefined();
});

test("companies are named once each, or all are meant; without any nothing is begun", () => {
  expect(namesIn(" codewiser, acmecorp,,codewiser ")).toEqual(["codewiser", "acmecorp"]);
  expect(startOf(draft({ named: " , " }))).toBeUndefined();
  expect(startOf(draft({ named: "", ofAll: true }))?.input.companies).toBe("all");
});

test("the rate is a number, or there is none", () => {
  expect(startOf(draft({ rate: "fast" }))).toBeUndefined();
  expect(startOf(draft({ rate: "fast", isUnlimited: true }))?.input.ratePerMinute).toBeNull();
});

test("a word is typed for the stores of all companies, and where something is lost", () => {
  expect(typedWordOf(draft({ verb: "copy", ofAll: true }))).toBeUndefined();
  expect(typedWordOf(draft({ verb: "switch" }))).toBeUndefined();
  expect(typedWordOf(draft({ verb: "switch", ofAll: true }))).toBe("all");
  expect(typedWordOf(draft({ verb: "rollback", ofAll: true, acceptLosses: true }))).toBe("all");
  expect(typedWordOf(draft({ verb: "rollback", acceptLosses: true }))).toBe("codewiser");
  expect(typedWordOf(draft({ verb: "rollback", acceptLosses: true, named: "a, b" }))).toBe("2");
});
