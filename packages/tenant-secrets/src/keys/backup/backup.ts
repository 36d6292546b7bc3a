import { isDeepStrictEqual } from "node:util";
import { sql } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import { asTenantSecretsError } from "@repo/audit-log";
import { type Caller, TenantSecretsError } from "@repo/catalog";
import { sameBytes } from "@repo/envelope";
import type { EventDetails, Operation, Operations } from "../../access/operation.ts";
import {
  compare,
  lostKeys,
  nameOf,
  refuseNewerKeys,
  restoredKey,
  type ComparedKey,
  type RestoredKey,
} from "./backup-comparison.ts";
import {
  DerivationParameters,
  decryptBackup,
  encryptBackup,
  type BackupKey,
  type BackupLock,
  type BackupOpener,
} from "./backup-file.ts";
import { isKeyOf, readMasterKey } from "../master/master-key-text.ts";
import { masterKeyFolder } from "../master/master-key-name.ts";
import { readRegistry, type MasterKeyRow } from "../master/master-keys.ts";
import { mapInfisicalErrors } from "../on-infisical.ts";

export interface BackupCheck {
  readonly createdAt: Date;
  /** Whether it is of the system that this registry is of; "unregistered" where the registry is empty. */
  readonly system: "same" | "another" | "unregistered";
  /** Every key of backup and registry. */
  readonly keys: readonly ComparedKey[];
  /** Whether this is in the audit log: it cannot be while the master key that the audit log depends on is lost. */
  readonly isAudited: boolean;
}

export interface BackupRestore {
  /** Whether the registry was empty, and has the backup's rows now. */
  readonly registered: boolean;
  /** Every key of backup and registry. */
  readonly keys: readonly RestoredKey[];
  readonly isAudited: boolean;
}

/**
 * Backups of the master keys. Nothing here asks for a permission, and no procedure of the API leads here: whoever holds
 * the maintenance connection and Infisical's credentials has the keys, and a restore has to work when nothing else does.
 */
export interface KeyBackups {
  /**
   * All master keys of all regions that are not destroyed, and the registry, once each key was found to be the one that is
   * registered. A pending key that is not in Infisical yet is left out. To a passphrase, it was opened again.
   *
   * @returns armored text in the age format
   * @throws {TenantSecretsError} MASTER_KEY_MISSING, MASTER_KEY_MALFORMED, MASTER_KEY_WRONG where a key in Infisical will
   *   not do; KEY_UNAVAILABLE, INVALID_INPUT
   */
  createBackup(caller: Caller, lock: BackupLock): Promise<string>;
  /** Compares a backup with the registry, whatever Infisical has. @throws as `decryptBackup`, KEY_UNAVAILABLE, DATABASE_UNAVAILABLE */
  checkBackup(caller: Caller, file: string, opener: BackupOpener): Promise<BackupCheck>;
  /**
   * Puts the keys that the registry knows back into Infisical, where they are missing, and replaces nothing. A registry
   * that is empty gets the backup's rows first. Run again after a failure, it does the rest.
   *
   * @throws as `decryptBackup`; MASTER_KEY_WRONG for a backup of another system; CONFLICT where Infisical has another key under
   *   a name of these, or newer keys than the backup and the registry is empty: nothing was changed. KEY_UNAVAILABLE
   */
  restoreBackup(caller: Caller, file: string, opener: BackupOpener): Promise<BackupRestore>;
}

export function createKeyBackups(
  database: Database,
  infisical: InfisicalClient,
  operations: Operations,
): KeyBackups {
  /**
   * Audits a step. While a master key is lost the audit log's own key is too, and the answer cannot wait for it. While the
   * registry is empty, the first use of the audit log would register whatever Infisical has.
   */
  const record = async (operation: Operation, event: EventDetails): Promise<boolean> => {
    if ((await readRegistry(database)).length === 0) return false;
    try {
      await operations.steps(operation).record(event);
      return true;
    } catch (error) {
      if (error instanceof TenantSecretsError && keyLost.has(error.code)) return false;
      throw error;
    }
  };

  const recordingFailure = async <T>(operation: Operation, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (thrown) {
      const error = asTenantSecretsError(thrown);
      const lost = operation.action === "key.restore" && unavailable.has(error.code);
      await record(operation, { outcome: lost ? "unknown" : "failed", reason: error.code });
      throw error;
    }
  };

  return {
    createBackup: (caller, lock) => {
      const operation = { caller, action: "key.backup" } as const;
      return recordingFailure(operation, async () => {
        const rows = await readRegistry(database);
        const texts = await readTexts(infisical);
        const keys: BackupKey[] = [];
        for (const row of rows) {
          // It is registered before it is put into Infisical, and nothing is wrapped under it.
          if (row.status === "pending" && !texts.has(nameOf(row))) continue;
          keys.push(await backupKeyOf(row, texts));
        }
        const content = { createdAt: new Date(), system: systemOf(rows), keys };
        const file = await encryptBackup(content, lock);
        if ("passphrase" in lock) {
          const { format: _, ...opened } = await decryptBackup(file, lock);
          if (!isDeepStrictEqual(opened, content)) throw new Error("a backup did not open as it was made");
        }
        await operations.steps(operation).record({});
        return file;
      });
    },

    checkBackup: (caller, file, opener) => {
      const operation = { caller, action: "key.check-backup" } as const;
      return recordingFailure(operation, async () => {
        const backup = await decryptBackup(file, opener);
        await verifyKeys(backup.keys);
        const rows = await readRegistry(database);
        const answer = {
          createdAt: backup.createdAt,
          system: rows.length === 0 ? "unregistered" : backup.system === systemOf(rows) ? "same" : "another",
          keys: compare(rows, backup.keys),
        } as const;
        return {
          ...answer,
          isAudited: await record(operation, {}),
        };
      });
    },

    restoreBackup: (caller, file, opener) => {
      const operation = { caller, action: "key.restore" } as const;
      return recordingFailure(operation, async () => {
        const backup = await decryptBackup(file, opener);
        await verifyKeys(backup.keys);
        const rows = await readRegistry(database);
        const texts = await readTexts(infisical);
        const registered = rows.length === 0;
        if (registered) refuseNewerKeys(texts, backup.keys);
        else if (backup.system !== systemOf(rows)) throw otherSystem();
        const compared = compare(registered ? backup.keys : rows, backup.keys);
        if (compared.some(({ state }) => state === "differs")) throw otherSystem();
        const lost = lostKeys(compared, backup.keys, texts);

        if (registered || lost.size > 0) await record(operation, { outcome: "attempted" });
        if (registered) await register(database, backup.keys);
        for (const [name, text] of lost)
          await askInfisical(() => infisical.putSecret(masterKeyFolder, name, text));
        const after = await readTexts(infisical);
        for (const [name, text] of lost) {
          if (after.get(name) !== text) throw new Error("a key did not come back as it was put there");
        }
        const keys = compared.map((key) => restoredKey(key, lost, after));
        return {
          registered,
          keys,
          isAudited: await record(operation, {}),
        };
      });
    },
  };
}

/** What the audit log's own key ends with while the master key above it is lost. */
const keyLost: ReadonlySet<TenantSecretsError["code"]> = new Set([
  "MASTER_KEY_MISSING",
  "MASTER_KEY_MALFORMED",
  "MASTER_KEY_WRONG",
]);

/** After these, some of a restore may have been done. */
const unavailable: ReadonlySet<TenantSecretsError["code"]> = new Set([
  "KEY_UNAVAILABLE",
  "DATABASE_UNAVAILABLE",
  "AUDIT_UNAVAILABLE",
]);

function otherSystem(): TenantSecretsError {
  return new TenantSecretsError(
    "MASTER_KEY_WRONG",
    "The backup is of another system: its keys are not those that this registry was made with. Nothing was changed.",
  );
}

/** @throws {TenantSecretsError} MASTER_KEY_MISSING where nothing was ever registered */
function systemOf(rows: readonly MasterKeyRow[]): string {
  const [first] = rows.toSorted((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
  if (first !== undefined) return `${first.region}/${first.version} ${first.checkValue}`;
  throw new TenantSecretsError(
    "MASTER_KEY_MISSING",
    "The registry has no master key yet: the first start of the API registers one.",
  );
}

async function readTexts(infisical: InfisicalClient): Promise<ReadonlyMap<string, string>> {
  const secrets = await askInfisical(() => infisical.listSecrets(masterKeyFolder));
  return new Map(secrets.map(({ secretKey, value }) => [secretKey, value]));
}

function askInfisical<T>(work: () => Promise<T>): Promise<T> {
  return mapInfisicalErrors(
    work,
    "KEY_UNAVAILABLE",
    (answer) =>
      `Infisical answered ${answer} for the folder ${masterKeyFolder}. Check that it is up, the INFISICAL_… settings, and for a restore, that the machine identity may write there.`,
  );
}

async function backupKeyOf(row: MasterKeyRow, texts: ReadonlyMap<string, string>): Promise<BackupKey> {
  const name = nameOf(row);
  const parameters = DerivationParameters.safeParse(row.parameters).data;
  if (parameters === undefined) {
    throw new TenantSecretsError(
      "MASTER_KEY_MALFORMED",
      `The registry's parameters for ${name} are not accepted: nothing was backed up.`,
    );
  }
  const key = { ...row, parameters };
  if (row.status === "destroyed") return { ...key, text: null };
  const text = texts.get(name);
  if (text === undefined) {
    throw new TenantSecretsError(
      "MASTER_KEY_MISSING",
      `${name} is ${row.status} in the registry and not in Infisical: nothing was backed up. Check INFISICAL_ENVIRONMENT and INFISICAL_PROJECT_ID; where they are right, restore it from an earlier backup.`,
    );
  }
  if (await isKeyOf(text, row.region, key)) return { ...key, text };
  throw new TenantSecretsError(
    "MASTER_KEY_WRONG",
    `${name} in Infisical is not the key that is registered: nothing was backed up.`,
  );
}

async function checkValueOf(
  text: string,
  key: Pick<BackupKey, "region" | "version" | "derivation" | "parameters">,
): Promise<string> {
  return (await readMasterKey(text, key, key)).checkValue;
}

/** @throws {TenantSecretsError} INTEGRITY_FAILURE, MASTER_KEY_MALFORMED for a key that is not what the backup says of it */
async function verifyKeys(keys: readonly BackupKey[]): Promise<void> {
  for (const key of keys) {
    if (key.text !== null && !sameBytes(await checkValueOf(key.text, key), key.checkValue))
      throw new TenantSecretsError(
        "INTEGRITY_FAILURE",
        `${nameOf(key)} in the backup does not fit the check value beside it.`,
      );
  }
}

async function register(database: Database, keys: readonly BackupKey[]): Promise<void> {
  await database.acrossCompanies(async (statements) => {
    // Of several at once, and of processes that start, one is first and the others see its rows.
    await statements.execute(sql`lock table ${tables.masterKeys} in share row exclusive mode`);
    const [other] = await statements.select().from(tables.masterKeys).limit(1);
    if (other !== undefined)
      throw new TenantSecretsError(
        "CONFLICT",
        "A master key was registered in the meantime. Nothing was changed: try again.",
      );
    await statements.insert(tables.masterKeys).values(keys.map(withoutText));
  });
}

function withoutText(key: BackupKey): Omit<BackupKey, "text"> {
  const { text: _, ...row } = key;
  return row;
}
