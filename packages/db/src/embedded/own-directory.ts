import { createHash } from "node:crypto";
import { chmodSync, existsSync, lstatSync, mkdirSync } from "node:fs";
import path from "node:path";
import { findUnprivilegedUser, isReachable } from "./unprivileged.ts";

// Survives a reboot and exists everywhere. Its sticky bit keeps other users from renaming our directories.
export const SHARED_PARENT = "/var/tmp";

/**
 * Creates `directory` if it is missing, and makes sure that no other user could write into it.
 *
 * In a folder that everyone may write to, another user can be there first under a name that he guessed.
 *
 * @throws {Error} when it is a link or a file, belongs to another user, or others may write to it
 */
export function ensureOwnDirectory(directory: string): void {
  makeDirectory(directory);
  const found = lstatSync(directory);
  if (!found.isDirectory()) throw new Error(`${directory} is not a directory.`);
  if (found.uid !== process.getuid?.()) {
    throw new Error(`${directory} belongs to another user (uid ${found.uid}); it is not used.`);
  }
  if ((found.mode & 0o022) !== 0) {
    throw new Error(`Other users may write to ${directory}; it is not used. (chmod go-w would end that.)`);
  }
  // A directory of mkdtemp's shuts out the user that the server runs as.
  if (found.uid === 0) chmodSync(directory, found.mode | 0o011);
}

// Every directory that root makes is one that its server's user can pass through, whatever the umask.
function makeDirectory(directory: string): void {
  if (existsSync(directory)) return;
  makeDirectory(path.dirname(directory));
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (process.getuid?.() === 0) chmodSync(directory, 0o711);
}

/**
 * Where the data of an embedded server can live. Root's server runs as another user, who may be unable to
 * enter `preferred` (a checkout below /root, say).
 *
 * @returns `preferred`, or else a directory below /var/tmp whose name depends on nothing but `preferred`
 * @throws {Error} when that directory is another user's
 */
export function usableDataDir(preferred: string): string {
  const wanted = path.resolve(preferred);
  const user = findUnprivilegedUser();
  if (user === undefined || isReachable(nearestExisting(wanted), user)) return wanted;
  const name = createHash("sha256").update(wanted).digest("hex").slice(0, 16);
  const elsewhere = path.join(SHARED_PARENT, `tenant-secrets-${name}`);
  ensureOwnDirectory(elsewhere);
  return elsewhere;
}

// An existing private directory (0700, made by `mkdtemp`) is opened up at the start. Only its parents have to be reachable.
function nearestExisting(directory: string): string {
  const parent = path.dirname(directory);
  return existsSync(parent) || parent === directory ? parent : nearestExisting(parent);
}
