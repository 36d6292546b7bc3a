import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { startEmbeddedPostgres } from "../embedded/index.ts";
import { cloneDatabase, createTemplate, type TestDatabase, unsafeSettings } from "./clone.ts";

export type { TestDatabase } from "./clone.ts";

/** The one server of this process. */
let cluster: ReturnType<typeof startCluster> | undefined;

/**
 * A migrated, empty database of its own, on a PostgreSQL server that this process starts at the first call. The server and its data end
 * with the process, also with one that is killed, and keep no process from ending.
 */
export async function createOwnDatabase(): Promise<TestDatabase> {
  cluster ??= startCluster().catch((error: unknown) => {
    cluster = undefined;
    throw error;
  });
  return cloneDatabase(await cluster);
}

async function startCluster() {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tenant-secrets-kit-"));
  // It is there before the server is: a process that is killed in between leaves nothing either.
  removeAfterwards(dataDir);
  const settings = { ...unsafeSettings, max_connections: "300", shared_buffers: "16MB" };
  const { superuserUrl } = await startEmbeddedPostgres({ dataDir, settings, endsWithProcess: true });
  return createTemplate(superuserUrl);
}

/** Waits for the end of this process, however it ends; then ends the server, and removes its data. */
const afterwards = `
while read -r line; do :; done
pid=$(head -n 1 "$1/cluster/postmaster.pid" 2>/dev/null) && kill -INT "$pid" 2>/dev/null
n=0
while [ -e "$1/cluster/postmaster.pid" ] && [ "$n" -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
rm -rf "$1"
`;

/** A shell, because it is on every machine that PostgreSQL runs on and takes a megabyte. */
function removeAfterwards(dataDir: string): void {
  const shell = spawn("/bin/sh", ["-c", afterwards, "afterwards", dataDir], {
    cwd: "/",
    // What it reads ends when this process does.
    stdio: ["pipe", "ignore", "ignore"],
    // A group of its own: Ctrl-C in the terminal ends this process alone.
    detached: true,
  });
  shell.unref();
  shell.on("error", () => {});
  if (shell.stdin instanceof Socket) shell.stdin.unref();
}
