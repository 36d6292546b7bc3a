import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** The user that PostgreSQL runs as. */
export interface UnprivilegedUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * PostgreSQL refuses to run as root, so a root process runs it as an unprivileged user.
 *
 * @returns the user to become, or undefined when this process is not root's and simply stays itself
 * @throws {Error} when this is root's process and the machine has neither a `postgres` nor a `nobody` user
 */
export function findUnprivilegedUser(): UnprivilegedUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  const user = ["postgres", "nobody"].flatMap((name) => users.filter((fields) => fields[0] === name)).at(0);
  const [name, , uid, gid] = user ?? [];
  if (name === undefined || uid === undefined || gid === undefined) {
    throw new Error(
      "PostgreSQL does not run as root, and this machine has neither a `postgres` nor a `nobody` user.",
    );
  }
  return { name, uid: Number(uid), gid: Number(gid) };
}

/** Whether `user` may enter the directory, or run the file, at `path`. Asks the kernel, so that ACLs and mounts count. */
export function isReachable(path: string, user: UnprivilegedUser): boolean {
  const probe = spawnSync("/bin/sh", ["-c", 'test -x "$1"', "sh", path], {
    uid: user.uid,
    gid: user.gid,
    cwd: "/",
    env: {},
    stdio: "ignore",
  });
  return probe.status === 0;
}
