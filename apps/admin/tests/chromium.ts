import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { environmentWith, installedChromium } from "./env.ts";

/** How to start the browser. */
export interface Chromium {
  readonly executablePath: string;
  /** Variables that its process needs beside the environment. */
  readonly variables: Readonly<Record<string, string>>;
}

const run = promisify(execFile);
const cache = path.resolve(import.meta.dirname, "../../../node_modules/.cache");
const unpacked = path.join(cache, "chromium-153.0.0");

/** The registry's Chromium is for Linux on x64. */
const usualPlaces = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/usr/bin/chromium",
  "/usr/bin/google-chrome",
];

/**
 * The Chromium of the registry, unpacked once (209 MB, 1.2 s), the one that CHROMIUM_PATH names, or an installed one.
 *
 * @throws {Error} where there is none that starts: the tests of pages are never skipped
 */
export async function prepareChromium(): Promise<Chromium> {
  const installed = installedChromium();
  if (installed !== undefined) return startable([{ executablePath: installed, variables: {} }]);
  if (process.platform !== "linux" || process.arch !== "x64") {
    return startable(usualPlaces.map((executablePath) => ({ executablePath, variables: {} })));
  }
  if (!existsSync(unpacked)) await unpack();
  const executablePath = path.join(unpacked, "chromium");
  const fonts = { FONTCONFIG_PATH: path.join(unpacked, "fonts") };
  // A bare Debian lacks libnss3 and others. Where the system has them, they are newer than these.
  const libraries = { LD_LIBRARY_PATH: path.join(unpacked, "al2023/lib") };
  return startable([
    { executablePath, variables: fonts },
    { executablePath, variables: { ...fonts, ...libraries } },
  ]);
}

/** Aside, and renamed once it is complete: a run that is killed leaves no half of it, and two runs do not meet. */
async function unpack(): Promise<void> {
  mkdirSync(cache, { recursive: true });
  const aside = mkdtempSync(`${unpacked}-`);
  const script = path.join(import.meta.dirname, "unpack-chromium.ts");
  await run(process.execPath, [script], { env: environmentWith({ TMPDIR: aside }) });
  const fonts = path.join(unpacked, "fonts");
  writeFileSync(
    path.join(aside, "fonts/fonts.conf"),
    `<?xml version="1.0"?><fontconfig><dir>${fonts}</dir><cachedir>${fonts}/cache</cachedir></fontconfig>`,
  );
  try {
    renameSync(aside, unpacked);
  } catch (error) {
    rmSync(aside, { recursive: true });
    if (!existsSync(unpacked)) throw error;
  }
}

async function startable(candidates: readonly Chromium[]): Promise<Chromium> {
  const problems: string[] = [];
  for (const chromium of candidates) {
    try {
      await run(chromium.executablePath, ["--version"], { env: environmentWith(chromium.variables) });
      return chromium;
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(
    `The tests of pages need a Chromium or Chrome that starts: set CHROMIUM_PATH to one.\n${problems.join("\n")}`,
  );
}
