import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { expect } from "vitest";

declare global {
  const axe: typeof import("axe-core");
}

const require = createRequire(import.meta.url);
const source = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds in the page as it is now, each as "<rule> at <element>"; and whether the contrasts were looked at. */
export async function violationsIn(page: Page): Promise<readonly string[]> {
  // Once in each document, since reading the source takes longer than many a look.
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(source);
  return page.evaluate(async () => {
    // Of a rule that is kept, one element is described. Style sheets are read for experimental rules alone.
    const { violations, passes } = await axe.run({ resultTypes: ["violations"], preload: false });
    const found = violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id} at ${html}`));
    return passes.some(({ id }) => id === "color-contrast") ? found : [...found, "no contrast was measured"];
  });
}

/** Axe finds nothing, and did look at the contrasts. */
export async function expectAccessible(page: Page): Promise<void> {
  expect(await violationsIn(page)).toEqual([]);
}
