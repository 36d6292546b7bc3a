import { expect, test } from "vitest";
import { comparableOf, movedSince, rivalOf, rowsOf, verdictsOf, writtenBy } from "./import-rows.ts";

const file = "A=1\nB=2\nexport A=3\n";
const { rows } = rowsOf(file);

test("a file becomes rows with lines, of which the first of each name is chosen", () => {
  expect(rows.map(({ secretKey, entry, isChosen }) => [secretKey, entry.line, isChosen])).toEqual([
    ["A", 1, true],
    ["B", 2, true],
    ["A", 3, false],
  ]);
  expect(rowsOf('{"A":"1","B":"2"}').rows.map(({ id, entry }) => [id, entry.line])).toEqual([
    [1, 1],
    [2, 1],
  ]);
});

test("what cannot be read is refused with its place, and never with its text", () => {
  expect(rowsOf("A=1\nfake").refusal).toBe(
    "The file was refused at line 2, column 1: this line is not NAME=value; a value of several lines needs quotes.",
  );
  expect(rowsOf(`A=${"x".repeat(524_287)}`).refusal).toBe("A file has at most 512 KiB; this one has 513.");
  const many = Array.from({ length: 101 }, (_, i) => `A${i}=1`).join("\n");
  expect(rowsOf(many).refusal).toContain("at most 100 secrets");
  expect(rowsOf("")).toEqual({ rows: [] });
});

test("of each name one row is compared, and the other one is refused with the line of its rival", () => {
  expect(comparableOf(rows).map(({ line }) => line)).toEqual([1, 2]);
  const verdicts = verdictsOf(rows, [
    { change: "changed", secretKey: "A", line: 1, version: 4 },
    { change: "unchanged", secretKey: "B", line: 2, version: 1 },
  ]);
  expect(verdicts.get(3)).toEqual({
    change: "refused",
    rule: "Line 1 gives a value to the same name.",
    isRepeated: true,
  });
  expect(writtenBy(rows, verdicts).map(({ row, version }) => [row.id, version])).toEqual([[1, 4]]);
});

test("the row that a person prefers is compared in place of the other one", () => {
  const preferred = rows.map((row) => ({ ...row, isChosen: row.id !== 1 }));
  expect(comparableOf(preferred).map(({ line }) => line)).toEqual([2, 3]);
  const [first] = preferred;
  if (first === undefined) throw new Error("there is no row");
  expect(rivalOf(preferred, first)).toBe(3);
});

test("a row that is not chosen is compared, and not written", () => {
  const without = rows.map((row) => ({ ...row, isChosen: false }));
  expect(comparableOf(without).map(({ line }) => line)).toEqual([1, 2]);
  const verdicts = verdictsOf(without, [
    { change: "added", secretKey: "A", line: 1, version: 0 },
    { change: "added", secretKey: "B", line: 2, version: 0 },
  ]);
  expect(writtenBy(without, verdicts)).toEqual([]);
});

test("rows that someone changed meanwhile are those with another version", () => {
  const at = (version: number) =>
    verdictsOf(rows, [
      { change: "changed", secretKey: "A", line: 1, version },
      { change: "changed", secretKey: "B", line: 2, version: 7 },
    ]);
  expect([...movedSince(at(4), at(5))]).toEqual([1]);
  expect([...movedSince(at(4), at(4))]).toEqual([]);
});
