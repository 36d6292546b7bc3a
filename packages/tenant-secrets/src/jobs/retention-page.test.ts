import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { schedule } from "./jobs.ts";

const read = (path: string): string => readFileSync(new URL(`../../../../${path}`, import.meta.url), "utf8");
const page = read("docs/retention.md");
const rows = page
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => line.split("|").map((cell) => cell.trim()));
const namesIn = (cell = ""): string[] => [...cell.matchAll(/`([a-z_.-]+)`/g)].map((match) => match[1] ?? "");

test("every table is on the page about retention, once, and each with its end or the reason why it has none", () => {
  const ofProduct = [...read("packages/db/schema.sql").matchAll(/^create table (\w+) /gm)];
  const ofSignIn = [
    ...read("packages/db/src/schema/sign-in.ts").matchAll(/signInSchema\.table\(\s*"(\w+)"/g),
  ];
  const tables = [
    ...ofProduct.map(([, name = ""]) => name),
    ...ofSignIn.map(([, name = ""]) => `sign_in.${name}`),
  ];
  expect(tables.length).toBeGreaterThan(40);
  expect(rows.flatMap(([, table]) => namesIn(table)).toSorted()).toEqual(tables.toSorted());
  for (const [, table, ...cells] of rows) {
    expect(
      cells.slice(0, -1).filter((cell) => cell === ""),
      table,
    ).toEqual([]);
  }
});

test("every job that deletes, and the page names, is one that runs", () => {
  const jobs = rows.filter((cells) => cells.length === 6).flatMap(([, , , job]) => namesIn(job));
  expect(jobs.length).toBeGreaterThan(5);
  expect(jobs.filter((job) => !(job in schedule))).toEqual([]);
  const forgetting = Object.keys(schedule).filter((name) => /^(?:forget|destroy|purge|prune)-/.test(name));
  expect(forgetting.filter((name) => !jobs.includes(name))).toEqual([]);
});
