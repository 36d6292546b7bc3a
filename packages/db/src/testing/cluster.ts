import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestProject } from "vitest/node";
import { startEmbeddedPostgres } from "../embedded/index.ts";
import type { EmbeddedPostgres } from "../embedded/index.ts";
import { stopOrphan } from "../embedded/orphan.ts";
import { createTemplate, unsafeSettings } from "./clone.ts";

const SETTINGS = { ...unsafeSettings, max_connections: "300" };

const PREFIX = "tenant-secrets-test-";

let directory: string | undefined;
let server: EmbeddedPostgres | undefined;

/** Vitest's global set-up: one server for all test files of a run. */
export async function setup(project: TestProject): Promise<void> {
  await removeLeftovers();
  directory = mkdtempSync(path.join(tmpdir(), PREFIX));
  server = await startEmbeddedPostgres({ dataDir: directory, settings: SETTINGS });
  project.provide("testCluster", await createTemplate(server.superuserUrl));
}

export async function teardown(): Promise<void> {
  await server?.stop();
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
}

/** Ends the servers of runs that were killed. A run that is still going on refuses, and keeps its own. */
async function removeLeftovers(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const leftover = path.join(tmpdir(), name);
    const cluster = path.join(leftover, "cluster");
    if (!existsSync(path.join(cluster, "postmaster.pid"))) continue;
    try {
      await stopOrphan(cluster);
    } catch {
      continue;
    }
    rmSync(leftover, { recursive: true, force: true });
  }
}
