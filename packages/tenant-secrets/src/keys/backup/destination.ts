import { createHash, randomUUID } from "node:crypto";
import { open, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { type Caller, TenantSecretsError } from "@repo/catalog";
import { checkRecipients } from "./backup-file.ts";
import type { KeyBackups } from "./backup.ts";

/** Where the backups that a rotation makes are kept, and who can open them. */
export interface BackupDestination {
  /** Of age: age1… */
  readonly recipients: readonly string[];
  readonly directory: string;
}

export interface StoredBackup {
  readonly file: string;
  /** Such as `sha256:9f86…`, of the file's bytes. */
  readonly checksum: string;
}

/** Makes a backup of every master key, in a new file that only its owner can read. @throws {TenantSecretsError} */
export type StoreBackup = (caller: Caller, destination: BackupDestination) => Promise<StoredBackup>;

/**
 * Tries whether a backup could be kept there, before anything depends on it.
 *
 * @throws {TenantSecretsError} INVALID_INPUT
 */
export async function checkBackupDestination({ recipients, directory }: BackupDestination): Promise<void> {
  await checkRecipients(recipients);
  const probe = path.join(directory, `.tenant-secrets-${randomUUID()}`);
  try {
    await writeNew(probe, "");
    await rm(probe);
  } catch (error) {
    throw new TenantSecretsError(
      "INVALID_INPUT",
      `The directory for backups cannot be written to (${errorCode(error)}): make it, and let this process's user write there.`,
    );
  }
}

export function createStoreBackup(region: string, backups: Pick<KeyBackups, "createBackup">): StoreBackup {
  return async (caller, { recipients, directory }) => {
    const text = await backups.createBackup(caller, { recipients });
    const time = new Date().toISOString().replaceAll(/[-:.]/g, "");
    const file = path.join(directory, `tenant-secrets-keys-${region}-${time}.age`);
    try {
      await writeNew(file, text);
      // Of what is there, not of what was sent there.
      const stored = await readFile(file);
      return { file, checksum: `sha256:${createHash("sha256").update(stored).digest("hex")}` };
    } catch (error) {
      throw new TenantSecretsError(
        "STORE_UNAVAILABLE",
        `The backup of the master keys could not be written (${errorCode(error)}). Make room in the directory for backups, or name another.`,
      );
    }
  };
}

async function writeNew(file: string, text: string): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "for an unknown reason";
}
