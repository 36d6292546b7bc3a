import { readFileSync } from "node:fs";
import { findingMeanings } from "@repo/catalog";
import { expect, test } from "vitest";

const page = readFileSync(new URL("../../../docs/migration.md", import.meta.url), "utf8");

test("docs/migration.md has every finding with its meaning, and no others", () => {
  const rows = Array.from(
    page.matchAll(/^\| `([A-Z_]+)` +\| (\w+) +\| (.*?) +\|$/gm),
    ([, code, severity, sentence]) => [code, { severity, sentence }],
  );
  expect(Object.fromEntries(rows)).toEqual(findingMeanings);
  expect(rows).toHaveLength(Object.keys(findingMeanings).length);
});
