import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";
import { prepareChromium, type Chromium } from "./chromium.ts";

declare module "vitest" {
  interface ProvidedContext {
    readonly chromium: Chromium;
  }
}

/** Vitest's global set-up: the admin app as it is served, and a browser, once for all test files of a run. */
export async function setup(project: TestProject): Promise<void> {
  await promisify(execFile)(process.execPath, [path.resolve(import.meta.dirname, "../build.ts")]);
  project.provide("chromium", await prepareChromium());
}
