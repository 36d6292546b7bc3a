import { availableParallelism } from "node:os";
import path from "node:path";
import { defineConfig } from "vitest/config";

const everywhere = ["packages", "apps", "examples", "tooling"];
const sources = (suffix: string) => everywhere.map((folder) => `${folder}/*/src/**/*${suffix}`);
const contract = sources(".contract.test.ts");
const database = sources(".db.test.ts");

/** Milliseconds. It ends hangs alone: speed is a matter of `pnpm bench`, and the machine may be busy. */
const testTimeout = 180_000;

// One process goes through many files, and loads the product and its libraries once: half of the time of a short file
// was that. What a file changes of the whole process, it puts back.
const oneProcess = {
  isolate: false,
  unstubEnvs: true,
  expect: { poll: { timeout: 60_000 } },
  setupFiles: ["packages/db/src/testing/each-file.ts"],
  // For the processes that tests start: most of such a start is compiling.
  env: { NODE_COMPILE_CACHE: path.join(import.meta.dirname, "node_modules/.cache/compiled") },
};

export default defineConfig({
  test: {
    // One more than cores: a file with a database waits for a third of its time.
    maxWorkers: availableParallelism() + 1,
    projects: [
      {
        test: {
          ...oneProcess,
          name: "unit",
          include: sources(".test.ts"),
          exclude: [...contract, ...database],
          testTimeout,
        },
      },
      // The one project that can also be pointed at a real Infisical server: see docs/configuration.md.
      {
        test: {
          ...oneProcess,
          name: "infisical",
          include: contract,
          // A server that limits the rate of requests makes a test wait for its minutes.
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
      {
        test: {
          ...oneProcess,
          name: "db",
          include: database,
          globalSetup: ["packages/db/src/testing/cluster.ts"],
          testTimeout,
          hookTimeout: testTimeout,
        },
      },
      {
        test: {
          ...oneProcess,
          name: "browser",
          include: ["apps/admin/tests/**/*.browser.test.ts"],
          globalSetup: ["packages/db/src/testing/cluster.ts", "apps/admin/tests/global-setup.ts"],
          testTimeout: 2 * testTimeout,
          hookTimeout: testTimeout,
          // A browser, an API and a database share two cores with the tests beside them.
          retry: 1,
        },
      },
    ],
  },
});
