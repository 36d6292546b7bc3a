import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

// `npm run build`: the admin app in dist/, with compressed copies of its assets. Does nothing where dist/ is up to date.

const here = import.meta.dirname;
const dist = path.join(here, "dist");
const inputsFile = path.join(dist, "inputs.json");
const alwaysInputs = [
  "build.ts",
  "vite.config.ts",
  "index.html",
  "theme.js",
  "package.json",
  "../../pnpm-lock.yaml",
];

const inputsBefore = existsSync(inputsFile) ? readFileSync(inputsFile, "utf8") : "";
if (inputsBefore === "" || inputsBefore !== hashes(filesIn(inputsBefore))) await buildAll();

async function buildAll(): Promise<void> {
  // React's development build is chosen by this, and a test runner sets it.
  process.env["NODE_ENV"] = "production";
  // Most runs build nothing, and need no bundler.
  const { build } = await import("vite");
  const sources = new Set<string>(alwaysInputs);
  await build({ root: here, logLevel: "warn", plugins: [collectSources(sources)] });
  compressAssets();
  writeFileSync(inputsFile, hashes([...sources].toSorted()));
}

/** Every module of ours in the bundle. What is installed is in the lockfile. */
function collectSources(into: Set<string>): Plugin {
  return {
    name: "collect-sources",
    buildEnd() {
      for (const file of this.getModuleIds()) {
        const [source = ""] = file.split("?");
        if (path.isAbsolute(source) && !source.includes("node_modules") && existsSync(source)) {
          into.add(path.relative(here, source));
        }
      }
    },
  };
}

/** @returns JSON: the SHA-256 of each file, null for one that is missing */
function hashes(files: readonly string[]): string {
  const entries = files.map((file) => {
    const source = path.join(here, file);
    return [
      file,
      existsSync(source) ? createHash("sha256").update(readFileSync(source)).digest("hex") : null,
    ];
  });
  return JSON.stringify(Object.fromEntries(entries), undefined, 1);
}

function filesIn(inputs: string): string[] {
  const parsed: unknown = JSON.parse(inputs);
  return typeof parsed === "object" && parsed !== null ? Object.keys(parsed) : [];
}

function compressAssets(): void {
  const assets = path.join(dist, "assets");
  for (const name of readdirSync(assets)) {
    const file = path.join(assets, name);
    const bytes = readFileSync(file);
    writeFileSync(`${file}.br`, brotliCompressSync(bytes));
    writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
  }
}
