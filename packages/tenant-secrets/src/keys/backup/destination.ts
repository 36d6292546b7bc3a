import { randomUUID } from "node:crypto";
import { open, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { type Caller, TenantSecretsError } from "@repo/catalog";
import { checkRecipients } from "./backup-file.ts";
import type { KeyBackups } from "./backup.ts";
import { fingerprintOf } from "./known-backups.ts";

/** Where a rotation stores its backup, and who can decrypt it. */
export interface BackupDestination {
  /** age recipients: age1… */
  readonly recipients: readonly string[];
  readonly directory: string;
}

export interface StoredBackup {
  readonly file: string;
  /** Such as `sha256:9f86…`, of the file's bytes. */
  readonly checksum: string;
}

/** Writes a backup of every master key to a new file that only its owner can read. @throws {TenantSecretsError} */
export type StoreBackup = (caller: Caller, destination: BackupDestination) => Promise<StoredBackup>;

/**
 * Checks that a backup could be written there, before a rotation depends on it.
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

export function createStoreBackup(
  region: string,
  backups: Pick<KeyBackups, "createBackup" | "recordUnwritten">,
): StoreBackup {
  return async (caller, { recipients, directory }) => {
    const time = new Date().toISOString().replaceAll(/[-:.]/g, "");
    const file = path.join(directory, `tenant-secrets-keys-${region}-${time}.age`);
    const text = await backups.createBackup(caller, { recipients }, file);
    try {
      await writeNew(file, text);
      // The checksum of the file as stored, not of the text that was written.
      const stored = await readFile(file);
      return { file, checksum: fingerprintOf(stored) };
    } catch (error) {
      await backups.recordUnwritten(caller);
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
