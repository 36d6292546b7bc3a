import { chmodSync, chownSync, cpSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { findUnprivilegedUser } from "../embedded/unprivileged.ts";

const certificates = fileURLToPath(new URL("tls/", import.meta.url));

/** A copy of the fake certificates that an embedded server can read, in a directory of the caller's to remove. */
export function copyCertificates(): string {
  const directory = mkdtempSync(path.join(tmpdir(), "certificates-"));
  cpSync(certificates, directory, { recursive: true });
  // A checkout does not keep it from others, and the server insists.
  chmodSync(path.join(directory, "fake-server-key.pem"), 0o600);
  const owner = findUnprivilegedUser();
  if (owner !== undefined)
    for (const name of [".", "fake-server-key.pem"])
      chownSync(path.join(directory, name), owner.uid, owner.gid);
  return directory;
}
