import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { retentionBounds } from "../access/retention.ts";
import { schedule } from "./jobs.ts";

const read = (path: string): string => readFileSync(new URL(`../../../../${path}`, import.meta.url), "utf8");
const page = read("docs/retention.md");
const rows = page
  .split("\n")
  .filter((line) => /^\| `[a-z]/.test(line))
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
  const jobs = rows.filter((cells) => cells.length === 7).flatMap(([, , , , job]) => namesIn(job));
  expect(jobs.length).toBeGreaterThan(5);
  expect(jobs.filter((job) => !(job in schedule))).toEqual([]);
  const forgetting = Object.keys(schedule).filter((name) => /^(?:forget|destroy|purge|prune)-/.test(name));
  expect(forgetting.filter((name) => !jobs.includes(name))).toEqual([]);
});

test("every setting on the page has its default and its bounds there, as the program has them", () => {
  const settings = page
    .split("\n")
    .filter((line) => /^\| `[A-Z]/.test(line))
    .map((line) => line.split("|").map((cell) => cell.trim().replaceAll(/[`,]/g, "")));
  const days = retentionBounds;
  expect(settings.map(([, name, initial, bounds]) => [name, initial, bounds])).toEqual([
    ["VERSIONS_KEPT", "20", days.versions.join(" ")],
    ["VERSIONS_KEPT_DAYS", "1", days.versionDays.join(" ")],
    ["RUNS_RETENTION_DAYS", "for good", days.runDays.join(" ")],
    ["DELIVERIES_RETENTION_DAYS", "30", days.deliveryDays.join(" ")],
    ["AUDIT_RETENTION_DAYS", "for good", "30 36500"],
  ]);
  const used = rows.flatMap(([, , , setting = ""]) => setting.match(/[A-Z]+(?:_[A-Z]+)+/g) ?? []);
  expect([...new Set(used)].toSorted()).toEqual(settings.map(([, name = ""]) => name).toSorted());
});

test("the kinds of runs that the page says are kept are those that the trigger keeps, and their definitions", () => {
  const [, trigger = ""] = /old\.kind in \(([^)]*)\)/.exec(read("packages/db/sql/runs.sql")) ?? [];
  const kept = [...trigger.matchAll(/'([a-z-]+)'/g)].map(([, kind = ""]) => kind);
  const [, ofPage = ""] = /it is of the kind ([^:]*):/.exec(page) ?? [];
  expect(namesIn(ofPage)).toEqual(kept);
  const definitions = ["keys/deletion/deletion-run.ts", "keys/rotation/rotation.ts"].map((file) =>
    read(`packages/tenant-secrets/src/${file}`),
  );
  const receipts = definitions.flatMap((text) => [
    ...text.matchAll(/kind: "([a-z-]+)",(?:(?!\n  \}).)*?isReceipt: true/gs),
  ]);
  expect(receipts.map(([, kind = ""]) => kind)).toEqual(kept);
});
