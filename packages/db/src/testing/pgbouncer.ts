import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findFreePort } from "../embedded/free-port.ts";
import { findUnprivilegedUser } from "../embedded/unprivileged.ts";

export interface PgBouncerOptions {
  /** Of one server; each is of another role. */
  readonly urls: readonly string[];
  readonly mode: "transaction" | "session";
  /** Connections to the server for each role and database. */
  readonly poolSize: number;
}

export interface PgBouncer {
  /** The server's URL with the pooler's address in it. */
  readonly through: (url: string) => string;
  stop(): Promise<void>;
}

/** @returns a PgBouncer that is installed, in the path or where Debian has it; undefined where there is none */
export function findPgBouncer(): string | undefined {
  return ["pgbouncer", "/usr/sbin/pgbouncer"].find((file) => spawnSync(file, ["--version"]).status === 0);
}

/** Starts the real pooler, as another user where this process is root's: it refuses root. */
export async function startPgBouncer(
  file: string,
  { urls, mode, poolSize }: PgBouncerOptions,
): Promise<PgBouncer> {
  const directory = mkdtempSync(path.join(tmpdir(), "pgbouncer-"));
  const port = await findFreePort(0);
  const [server] = urls.map((url) => new URL(url));
  if (server === undefined) throw new Error("It needs the URL of a server.");
  const users = urls.map((url) => {
    const { username, password } = new URL(url);
    return `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"\n`;
  });
  const [settings, userList] = ["pgbouncer.ini", "users.txt"].map((name) => path.join(directory, name));
  if (settings === undefined || userList === undefined) throw new Error("There are two files.");
  writeFileSync(userList, users.join(""));
  const lines = [
    "[databases]",
    `* = host=${server.hostname} port=${server.port}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "auth_type = scram-sha-256",
    `auth_file = ${userList}`,
    `pool_mode = ${mode}`,
    `default_pool_size = ${poolSize}`,
    "max_client_conn = 200",
  ];
  writeFileSync(settings, `${lines.join("\n")}\n`);
  const user = findUnprivilegedUser();
  if (user !== undefined)
    for (const each of [directory, settings, userList]) chownSync(each, user.uid, user.gid);
  const child = spawn(file, [settings], {
    stdio: "ignore",
    cwd: "/",
    ...(user !== undefined && { uid: user.uid, gid: user.gid }),
  });
  const ended = once(child, "exit");
  for (let isOpen = false; !isOpen; await sleep(20)) {
    if (child.exitCode !== null) throw new Error("PgBouncer ended at its start.");
    isOpen = await opens(port);
  }
  return {
    through: (url) => {
      const changed = new URL(url);
      changed.host = `127.0.0.1:${port}`;
      return changed.href;
    },
    stop: async () => {
      child.kill("SIGKILL");
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function opens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  const isOpen = await promise;
  socket.destroy();
  return isOpen;
}
