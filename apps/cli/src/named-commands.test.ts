import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { commands } from "./commands.ts";

const root = path.resolve(import.meta.dirname, "../../..");
const groups = new Set(
  [...commands.keys()].flatMap((name) => {
    const [first = "", second = "", third] = name.split(" ");
    return third === undefined ? (second === "" ? [] : [first]) : [first, `${first} ${second}`];
  }),
);

/** The texts of files, without those of tests. */
function textsOf(...patterns: readonly string[]): readonly (readonly [string, string])[] {
  return patterns
    .flatMap((pattern) => globSync(pattern, { cwd: root }))
    .filter((file) => !file.includes("node_modules") && !file.endsWith(".test.ts"))
    .map((file) => [file, readFileSync(path.join(root, file), "utf8")] as const);
}

/** Whether these words begin with those of a command, or are a group, which has a help of its own. */
function isCommand(words: string): boolean {
  const [first = "", second = ""] = words.split(" ");
  if (second === "" && groups.has(first)) return true;
  if (groups.has(`${first} ${second}`)) return true;
  return commands.has(first) || commands.has(`${first} ${second}`);
}

test("every command that an error or a comment names in quotes is there", () => {
  // "database error 28P01" is none, nor is "rotation jitter", which a hash is made of.
  const group = [...groups].filter((name) => name !== "database" && !name.includes(" ")).join("|");
  const quoted = new RegExp(`["\`'](?:secrets )?((?:${group}) (?!jitter)[a-z][a-z-]+)`, "g");
  const named = textsOf("packages/*/src/**/*.ts", "apps/*/src/**/*.ts", "tooling/*/src/**/*.ts").flatMap(
    ([file, text]) => Array.from(text.matchAll(quoted), ([, words = ""]) => `${file}: ${words}`),
  );
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((each) => !isCommand(each.slice(each.indexOf(": ") + 2)))).toEqual([]);
});

test("every command that is written out, in the documentation too, is there", () => {
  const called = /pnpm (?:--silent )?secrets ([a-z][a-z-]+(?: [a-z][a-z-]+)?)/g;
  const named = textsOf(
    "*.md",
    "docs/**/*.md",
    "packages/*/src/**/*.ts",
    "apps/*/src/**/*.ts",
    "tooling/*/src/**/*.ts",
  ).flatMap(([file, text]) => Array.from(text.matchAll(called), ([, words = ""]) => `${file}: ${words}`));
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((each) => !isCommand(each.slice(each.indexOf(": ") + 2)))).toEqual([]);
});

test("every command of a module is in the list once", () => {
  const exported = textsOf("apps/cli/src/commands/*.ts").flatMap(([file, text]) =>
    Array.from(
      text.matchAll(/^export const (\w+Command)\b/gm),
      ([, name]) => `${path.basename(file)} ${name}`,
    ),
  );
  const [list = ""] = textsOf("apps/cli/src/commands.ts").map(([, text]) => text);
  const listed = list.split("import(").flatMap((part) => {
    const [, file] = /^"\.\/commands\/([^"]+)"/.exec(part) ?? [];
    return Array.from(part.matchAll(/: \[\s*"(\w+Command)"/g), ([, name]) => `${file} ${name}`);
  });
  expect(listed.toSorted()).toEqual(exported.toSorted());
  expect(commands.size).toBe(listed.length);
});
