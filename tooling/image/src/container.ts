import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import type { ImageDefinition } from "./dockerfile.ts";

/** A process of the image. Standard output and standard error are read. */
export interface Contained {
  readonly child: ChildProcess;
  output(): string;
  /** Resolves with the first match in the output. @throws {Error} when the process ends before */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

/**
 * `read-only`: in a mount namespace of its own, with the image's files as its root, which nothing can be written to, as the user of the
 * image and without the right to gain any. `other-user`: as that user in the folder. `same-user`: in the folder alone.
 */
export type Confinement = "read-only" | "other-user" | "same-user";

/** The strictest that this machine allows: to change the root takes the rights of root, and Linux. */
export function strictestConfinement(): Confinement {
  if (process.getuid?.() !== 0) return "same-user";
  try {
    execFileSync(
      "unshare",
      ["--mount", "sh", "-c", "mount -t tmpfs none /mnt && command -v chroot setpriv"],
      {
        stdio: "ignore",
      },
    );
    return "read-only";
  } catch {
    return "other-user";
  }
}

/** The libraries that Node needs come from this machine: the base of the image has them. */
const isolate = `
  set -e
  root=$1 node=$2 user=$3
  shift 3
  mount --bind "$root" "$root"
  for folder in usr/lib usr/lib64 lib lib64; do
    if [ -d "/$folder" ] && [ ! -L "/$folder" ]; then mount --rbind "/$folder" "$root/$folder"; fi
  done
  mount --bind "$node" "$root/usr/local/bin/node"
  mount --rbind /proc "$root/proc"
  mount --bind /dev/null "$root/dev/null"
  mount --bind /dev/urandom "$root/dev/urandom"
  mount -t tmpfs -o mode=1777,size=64m none "$root/tmp"
  mount -o remount,bind,ro "$root"
  exec setpriv --no-new-privs chroot --userspec="$user" "$root" /usr/local/bin/node "$@"`;

/** Makes the places in the folder that {@link runContained} mounts something at: what the base of the image has. */
export function prepareRoot(root: string): void {
  for (const folder of ["usr/lib", "usr/lib64", "usr/local/bin", "proc", "dev", "tmp"])
    mkdirSync(path.join(root, folder), { recursive: true });
  for (const file of ["usr/local/bin/node", "dev/null", "dev/urandom"])
    writeFileSync(path.join(root, file), "");
  for (const folder of ["lib", "lib64"]) {
    const host = `/${folder}`;
    if (!existsSync(host)) continue;
    if (lstatSync(host).isSymbolicLink()) symlinkSync(readlinkSync(host), path.join(root, folder));
    else mkdirSync(path.join(root, folder));
  }
  chmodSync(root, 0o755);
}

export interface ContainerOptions {
  readonly root: string;
  readonly confinement: Confinement;
  readonly definition: ImageDefinition;
  /** Beside those of the image. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Starts what a container would: the entry point of the image, with these arguments in place of its command. The caller ends it. */
export function runContained(
  { root, confinement, definition, environment }: ContainerOptions,
  given: readonly string[] = definition.command,
): Contained {
  const env = { ...definition.environment, ...environment };
  // Without another root, its absolute paths are below the folder.
  const inFolder = given.map((each) => (each.startsWith("/app/") ? path.join(root, each) : each));
  const [uid = 0, gid = 0] = definition.user.split(":").map(Number);
  const child =
    confinement === "read-only"
      ? spawn(
          "unshare",
          ["--mount", "--propagation", "private", "sh", "-c", isolate, "sh", root, process.execPath]
            .concat(definition.user)
            .concat(given),
          { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...env }, stdio: ["ignore", "pipe", "pipe"] },
        )
      : spawn(process.execPath, inFolder, {
          env,
          cwd: path.join(root, definition.directory),
          stdio: ["ignore", "pipe", "pipe"],
          ...(confinement === "other-user" && { uid, gid }),
        });
  return observe(child);
}

function observe(child: ChildProcess): Contained {
  let output = "";
  let isOver = false;
  const watching = new Set<() => void>();
  const changed = (): void => watching.forEach((look) => look());
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      changed();
    });
  const { promise: ended, resolve: end } = Promise.withResolvers<number | NodeJS.Signals | null>();
  child.once("error", (error) => (output += String(error)));
  child.once("close", (code, signal) => {
    isOver = true;
    end(code ?? signal);
    changed();
  });
  const says = (pattern: RegExp): Promise<RegExpExecArray> => {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const look = (): void => {
      const match = pattern.exec(output);
      if (match === null && !isOver) return;
      watching.delete(look);
      if (match === null) reject(new Error(`It ended without printing ${String(pattern)}:\n${output}`));
      else resolve(match);
    };
    watching.add(look);
    look();
    return promise;
  };
  return { child, output: () => output, says, ended };
}
