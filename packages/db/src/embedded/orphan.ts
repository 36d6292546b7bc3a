import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const STOP_TIMEOUT_MS = 5_000;

/** A setting that does nothing but show, in the server's command line, which process started it. */
export const launcherSetting = (): string => `cluster_name=launcher-${process.pid}`;

/**
 * Ends a server that still runs on `cluster` although the process that started it is gone.
 *
 * @param cluster a PostgreSQL data directory
 * @throws {Error} when the process that started it is alive, or when the server does not stop
 */
export async function stopOrphan(cluster: string): Promise<void> {
  const pidFile = path.join(cluster, "postmaster.pid");
  const found = readPidFile(pidFile);
  if (found === undefined) return;
  const server = findServer(found);
  if (server === undefined) {
    // The number now belongs to something else, which PostgreSQL would take for a running server.
    rmSync(pidFile, { force: true });
    return;
  }
  if (server.launcher !== undefined && isAlive(server.launcher)) {
    throw new Error(
      `The database in ${cluster} is in use by process ${server.launcher}. Stop that one first.`,
    );
  }
  for (const signal of ["SIGINT", "SIGQUIT"] as const) {
    process.kill(found.pid, signal);
    const deadline = performance.now() + STOP_TIMEOUT_MS;
    while (performance.now() < deadline) {
      if (findServer(found) === undefined) return;
      await sleep(10);
    }
  }
  throw new Error(`A PostgreSQL server (process ${found.pid}) still runs on ${cluster} and does not stop.`);
}

interface PidFile {
  readonly pid: number;
  readonly dataDirectory: string;
}

function readPidFile(file: string): PidFile | undefined {
  let lines: string[];
  try {
    lines = readFileSync(file, "utf8").split("\n");
  } catch {
    return undefined;
  }
  const pid = Number(lines[0]);
  const dataDirectory = lines[1];
  return Number.isSafeInteger(pid) && pid > 1 && dataDirectory ? { pid, dataDirectory } : undefined;
}

// A process number alone proves nothing: it may have been given to another process since.
function findServer({ pid, dataDirectory }: PidFile): { readonly launcher: number | undefined } | undefined {
  const line = commandLine(pid);
  const isServer = /^\S*postgres(?:\s|$)/.test(line.replace(/^.*\//, "")) || /\/postgres\s/.test(line);
  if (!isServer || !line.includes(` ${dataDirectory} `)) return undefined;
  const launcher = /cluster_name=launcher-(\d+)/.exec(line)?.[1];
  return { launcher: launcher === undefined ? undefined : Number(launcher) };
}

// Empty for a process that is gone or only waits to be reaped. Slim containers have no `ps`, macOS no /proc.
function commandLine(pid: number): string {
  try {
    return process.platform === "linux"
      ? readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")
      : execFileSync("ps", ["-ww", "-o", "command=", "-p", String(pid)], { encoding: "utf8" });
  } catch {
    return "";
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
