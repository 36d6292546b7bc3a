import { existsSync, readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { ownSchema, releases, type SchemaVersion } from "./released.ts";

const folder = path.resolve(import.meta.dirname, "../../../../docs/releases");
const notesOf = (release: string): string => readFileSync(path.join(folder, `${release}.md`), "utf8");
const rowsOf = ({ version, oldest }: SchemaVersion): string =>
  `| Schema version | ${version} |\n| Serves programs of version | ${oldest} and later |\n`;

test("each release has notes with its commit, its schema version and the oldest one that it serves", () => {
  for (const { commit, schema } of releases)
    expect(notesOf(schema.release)).toContain(`| Commit | \`${commit}\` |\n${rowsOf(schema)}`);
});

test("releases, their schema versions and what these serve never go back", () => {
  const all = [...releases.map(({ schema }) => schema), ownSchema];
  const numbers = all.map(({ version }) => version);
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  const oldest = all.map((each) => each.oldest);
  expect(oldest).toEqual(oldest.toSorted((a, b) => a - b));
  for (const each of all) expect(each.oldest).toBeLessThanOrEqual(each.version);
});

test("the next release has notes that say it is not released, and what it needs", async () => {
  const released: readonly string[] = releases.map(({ schema }) => schema.release);
  expect(released).not.toContain(ownSchema.release);
  const notes = notesOf(ownSchema.release);
  expect(notes).toContain("Not released yet.");
  expect(notes).toContain(rowsOf(ownSchema));
  for (const heading of ["What is new", "Before", "After", "Variables"])
    expect(notes).toContain(`\n## ${heading}\n`);
  expect((await readdir(folder)).toSorted()).toEqual(
    [...released, ownSchema.release].map((release) => `${release}.md`).toSorted(),
  );
});

test("docs/upgrades.md leads to the notes of every release", () => {
  const upgrades = readFileSync(path.join(folder, "../upgrades.md"), "utf8");
  for (const release of [...releases.map(({ schema }) => schema.release), ownSchema.release]) {
    expect(upgrades).toContain(`(releases/${release}.md)`);
    expect(existsSync(path.join(folder, `${release}.md`))).toBe(true);
  }
});
