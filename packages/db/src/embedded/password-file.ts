import { chownSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseDatabaseUrl } from "../url.ts";
import { findUnprivilegedUser } from "./unprivileged.ts";

/**
 * Writes a password file of libpq that an embedded server can read, beside its data and not in them: a copy of the data has no
 * password in it.
 *
 * @param dataDir of that server
 * @param url whose password it is for
 * @returns the path of the file
 */
export function writePasswordFile(dataDir: string, name: string, url: string): string {
  const file = path.join(path.resolve(dataDir), name);
  const { hosts, database, user, password } = parseDatabaseUrl(url);
  const escaped = (field: string): string => field.replace(/[\\:]/g, String.raw`\$&`);
  const lines = hosts.map((host) =>
    [host.name, String(host.port), database, user, password].map(escaped).join(":"),
  );
  const unfinished = `${file}.unfinished`;
  writeFileSync(unfinished, `${lines.join("\n")}\n`, { mode: 0o600 });
  const owner = findUnprivilegedUser();
  if (owner !== undefined) chownSync(unfinished, owner.uid, owner.gid);
  renameSync(unfinished, file);
  return file;
}
