import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const checkout = path.join(import.meta.dirname, "../../..");
const read = (file: string) => readFileSync(path.join(checkout, file), "utf8");

/** The cells of a section's table in docs/sign-in.md, by row. */
function tableOf(section: string): string[][] {
  const [, after = ""] = read("docs/sign-in.md").split(`## ${section}\n`);
  const [text = ""] = after.split("\n## ");
  const rows = text.split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

test("each attack in docs/sign-in.md has the test that it names", () => {
  const files = globSync(["packages/*/src/**/*.test.ts", "apps/hono-api/src/*.test.ts"], { cwd: checkout });
  const sources = files.map(read).join("\n");
  const titles = tableOf("Attacks, and the tests that make them").map(([, title = ""]) => title);
  expect(titles.length).toBeGreaterThan(20);
  expect(titles.filter((title) => !sources.includes(`"${title}"`))).toEqual([]);
});

test("the events in docs/sign-in.md are those of the audit log", () => {
  const documented = tableOf("In the audit log").flatMap(
    ([events = ""]) => events.match(/[a-z.-]{4,}/g) ?? [],
  );
  const actions = [...read("packages/audit-log/src/actions.ts").matchAll(/^ {2}"([^"]+)":/gm)];
  const known = actions
    .map(([, action = ""]) => action)
    .filter((action) => /^(?:sign-in|session|password|factor|invitation)(?:\.|$)/.test(action));
  expect(documented.toSorted()).toEqual(known.toSorted());
});
