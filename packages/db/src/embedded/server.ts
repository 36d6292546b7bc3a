import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import path from "node:path";
import { promisify } from "node:util";
import { locateBinaries } from "./binaries.ts";
import { findFreePort } from "./free-port.ts";
import { launcherSetting, stopOrphan } from "./orphan.ts";
import { ensureOwnDirectory } from "./own-directory.ts";
import { findUnprivilegedUser, isReachable } from "./unprivileged.ts";
import type { UnprivilegedUser } from "./unprivileged.ts";

const SUPERUSER = "postgres";
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 5_000;
const PORT_ATTEMPTS = 3;
// Nothing of this process's own environment reaches the server; English messages are what `start` reads.
const ENVIRONMENT = { LC_ALL: "C", TZ: "UTC" };

export interface EmbeddedPostgresOptions {
  /** A directory of the server's own; made where it is missing. See `usableDataDir`. */
  readonly dataDir: string;
  /** The port to listen on; where it is taken or not given, any free one. */
  readonly port?: number;
  /** Settings as in postgresql.conf, for this start only. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Whether the server keeps this process from ending. With true it does not, and ends with it. Default: false */
  readonly endsWithProcess?: boolean;
  /** Receives the server's log. The log quotes statements, which may contain secrets. */
  readonly onLog?: (text: string) => void;
}

export interface EmbeddedPostgres {
  /** Of the database `postgres`, with the superuser's password in it. */
  readonly superuserUrl: string;
  readonly port: number;
  /** Ends all connections and stops the server; resolves when it is gone. May be called more than once. */
  stop(): Promise<void>;
}

/**
 * Starts a PostgreSQL server that belongs to this process, on 127.0.0.1 only, and makes its data on first use.
 * A server that a killed process left behind on the same data is ended first.
 *
 * @throws {Error} with the server's own reason when it does not start; when the data is in use, not ours, or in a place
 * that the server's user cannot enter
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const user = findUnprivilegedUser();
  const dataDir = path.resolve(options.dataDir);
  const cluster = path.join(dataDir, "cluster");
  const bin = locateBinaries(user);
  ensureOwnDirectory(dataDir);
  if (user !== undefined && !isReachable(dataDir, user)) {
    throw new Error(`The user ${user.name}, who runs PostgreSQL, cannot enter ${dataDir}.`);
  }
  if (existsSync(cluster)) await stopOrphan(cluster);
  else await initialise({ bin, dataDir, cluster, user }, options.settings?.["fsync"] !== "off");
  const password = readPassword(dataDir);

  for (let attempt = 1; ; attempt += 1) {
    const port = await findFreePort(options.port ?? 0);
    try {
      const server = await launch({ bin, dataDir, cluster, user }, port, options);
      return {
        superuserUrl: `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`,
        port,
        ...server,
      };
    } catch (error) {
      // Another process took the port between our check and the server's start.
      const portTaken = error instanceof Error && error.message.includes("could not bind");
      if (!portTaken || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

const passwordFile = (dataDir: string): string => path.join(dataDir, "superuser-password");

function readPassword(dataDir: string): string {
  try {
    return readFileSync(passwordFile(dataDir), "utf8").trim();
  } catch (cause) {
    throw new Error(`${passwordFile(dataDir)} cannot be read; without it the data in ${dataDir} is shut.`, {
      cause,
    });
  }
}

interface Installation {
  readonly bin: string;
  readonly dataDir: string;
  /** The directory of the data, inside `dataDir`. */
  readonly cluster: string;
  /** Runs the server where this process is root, which PostgreSQL rejects. */
  readonly user: UnprivilegedUser | undefined;
}

async function initialise({ bin, dataDir, cluster, user }: Installation, sync: boolean): Promise<void> {
  // Made under another name: a directory called `cluster` is one whose initialisation finished.
  const unfinished = path.join(dataDir, "unfinished");
  rmSync(unfinished, { recursive: true, force: true });
  rmSync(passwordFile(dataDir), { force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  writeFileSync(passwordFile(dataDir), randomBytes(32).toString("base64url"), { mode: 0o600, flag: "wx" });
  if (user !== undefined) {
    chownSync(unfinished, user.uid, user.gid);
    chownSync(passwordFile(dataDir), user.uid, user.gid);
  }
  const flags = ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--no-instructions"];
  await promisify(execFile)(
    path.join(bin, "initdb"),
    [
      "-D",
      unfinished,
      "-U",
      SUPERUSER,
      `--pwfile=${passwordFile(dataDir)}`,
      ...flags,
      ...(sync ? [] : ["--no-sync"]),
    ],
    { cwd: "/", env: ENVIRONMENT, ...(user && { uid: user.uid, gid: user.gid }) },
  );
  renameSync(unfinished, cluster);
}

async function launch(
  { bin, cluster, user }: Installation,
  port: number,
  { settings = {}, endsWithProcess = false, onLog = () => {} }: EmbeddedPostgresOptions,
): Promise<Pick<EmbeddedPostgres, "stop">> {
  const all = ["listen_addresses=127.0.0.1", "unix_socket_directories=", launcherSetting()].concat(
    Object.entries(settings).map(([name, value]) => `${name}=${value}`),
  );
  const child = spawn(
    path.join(bin, "postgres"),
    ["-D", cluster, "-p", String(port), ...all.flatMap((setting) => ["-c", setting])],
    {
      cwd: "/",
      env: ENVIRONMENT,
      stdio: ["ignore", "ignore", "pipe"],
      // A group of its own: Ctrl-C in the terminal reaches our process alone, which then stops the server in order.
      detached: true,
      ...(user && { uid: user.uid, gid: user.gid }),
    },
  );
  const killOnExit = (): void => void child.kill("SIGINT");
  process.once("exit", killOnExit);
  const exited = new Promise<void>((resolve) => {
    child.once("close", () => {
      process.off("exit", killOnExit);
      resolve();
    });
  });
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= terminate(child, exited));
  child.stderr?.setEncoding("utf8").on("data", onLog);
  try {
    await ready(child);
  } catch (error) {
    await stop();
    throw error;
  }
  if (endsWithProcess) {
    child.unref();
    if (child.stderr instanceof Socket) child.stderr.unref();
  }
  return { stop };
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = "";
    let settled = false;
    const timer = setTimeout(() => {
      reject(new Error(`PostgreSQL was not ready after ${READY_TIMEOUT_MS / 1_000} s.`));
    }, READY_TIMEOUT_MS);
    child.stderr?.on("data", (text: string) => {
      // The log is discarded after the start: it quotes statements, which may contain secrets.
      if (settled) return;
      output += text;
      // A hot standby is ready for reads alone.
      if (/database system is ready to accept (?:read-only )?connections/.test(output)) settle(resolve);
    });
    child.once("error", (cause) => {
      settle(() => {
        reject(new Error(`PostgreSQL could not be started: ${cause.message}`, { cause }));
      });
    });
    child.once("close", (code, signal) => {
      const reasons = output.split("\n").filter((line) => /FATAL|PANIC|could not/.test(line));
      settle(() => {
        reject(new Error(`PostgreSQL ended with ${signal ?? code}: ${reasons.join(" ") || output.trim()}`));
      });
    });
    function settle(outcome: () => void): void {
      settled = true;
      clearTimeout(timer);
      outcome();
    }
  });
}

async function terminate(child: ChildProcess, exited: Promise<void>): Promise<void> {
  child.kill("SIGINT");
  const timer = setTimeout(() => child.kill("SIGQUIT"), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}
