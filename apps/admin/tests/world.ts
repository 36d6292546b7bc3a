import path from "node:path";
import { whenDone } from "@repo/db/testing";
import { createBackends, startApi } from "@repo/hono-api/testing";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { inject } from "vitest";
import { environmentWith } from "./env.ts";

/** What no page may do. */
interface Watch {
  /** Each as "<directive> <what was blocked>". */
  readonly violations: string[];
  readonly consoleErrors: string[];
  /** Addresses outside the page's origin. */
  readonly foreignRequests: string[];
}

export interface World {
  /** The address of the API, on a database of its own. */
  readonly url: string;
  readonly browser: Browser;
  /** A page in a context of its own that has loaded nothing. */
  newPage(options?: BrowserContextOptions): Promise<{ readonly page: Page; readonly watch: Watch }>;
}

/** The real API with the built admin app, and a browser. Closed after the test file. */
export async function createWorld(): Promise<World> {
  const { url } = await startApi({
    backends: await createBackends(),
    adminDirectory: path.resolve(import.meta.dirname, "../dist"),
  });
  const { executablePath, variables } = inject("chromium");
  const browser = await chromium.launch({
    executablePath,
    env: definedOf(environmentWith(variables)),
    // Chromium refuses to sandbox as root.
    chromiumSandbox: process.getuid?.() !== 0,
  });
  whenDone(() => browser.close());
  return {
    url,
    browser,
    newPage: async (options) => {
      const context = await browser.newContext({ locale: "en-GB", ...options });
      const page = await context.newPage();
      return { page, watch: await watchOver(page, url) };
    },
  };
}

async function watchOver(page: Page, url: string): Promise<Watch> {
  const watch: Watch = { violations: [], consoleErrors: [], foreignRequests: [] };
  await page.exposeFunction("reportViolation", (violation: string) => watch.violations.push(violation));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
      const report: unknown = Reflect.get(globalThis, "reportViolation");
      if (typeof report === "function") report(`${effectiveDirective} ${blockedURI}`);
    });
  });
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") watch.consoleErrors.push(message.text());
  });
  page.on("pageerror", (error) => watch.consoleErrors.push(error.message));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== url) watch.foreignRequests.push(request.url());
  });
  return watch;
}

function definedOf(variables: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
