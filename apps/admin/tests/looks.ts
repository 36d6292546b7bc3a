import { mkdirSync } from "node:fs";
import path from "node:path";
import type { BrowserContextOptions, Page } from "playwright-core";
import { wantsScreenshots } from "./env.ts";

const draws = wantsScreenshots();

type Look = readonly [name: string, options: BrowserContextOptions & { readonly viewport: Viewport }];

interface Viewport {
  readonly width: number;
  readonly height: number;
}

// No transition is in the middle when colours are measured.
const look = (colorScheme: "light" | "dark", width: number): Look => [
  `${colorScheme}-${width}`,
  { colorScheme, viewport: { width, height: width > 1000 ? 800 : 844 }, reducedMotion: "reduce" },
];

/** For each look of a page: its name, and the options of the browser. Two cover both themes and both layouts; for pictures, all four. */
export const looks: readonly Look[] = draws
  ? [look("light", 1280), look("dark", 1280), look("light", 360), look("dark", 360)]
  : [look("light", 1280), look("dark", 360)];

/** Gives an open page another look. */
export async function takeLook(page: Page, [, { colorScheme, viewport }]: Look): Promise<void> {
  await page.emulateMedia({ colorScheme: colorScheme ?? "light", reducedMotion: "reduce" });
  await page.setViewportSize(viewport);
}

/** Into tests/screenshots, which is not in the repository, where SCREENSHOTS asks for it. */
export async function screenshot(page: Page, name: string): Promise<void> {
  if (!draws) return;
  const directory = path.join(import.meta.dirname, "screenshots");
  mkdirSync(directory, { recursive: true });
  await page.screenshot({ path: path.join(directory, `${name}.png`) });
}
