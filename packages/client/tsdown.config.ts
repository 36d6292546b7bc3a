import { defineConfig } from "tsdown";

// The typed client as one package for installs outside this repository, with zod as its only dependency: our packages and
// tRPC's are bundled, and of the server only the types of its procedures.
export default defineConfig({
  entry: "src/index.ts",
  platform: "neutral",
  target: "node20",
  dts: true,
  deps: { alwaysBundle: [/^@(repo|trpc)\//], neverBundle: [/^(?!@repo\/|@trpc\/)[a-z@]/], onlyBundle: false },
  treeshake: { moduleSideEffects: false },
});
