import { isDeepStrictEqual } from "node:util";
import { sql } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import { asTenantSecretsError } from "@repo/audit-log";
import { type Caller, type KnownKeyBackup, TenantSecretsError } from "@repo/catalog";
import { sameBytes } from "@repo/envelope";
import { audited, type EventDetails, type Operation, type Operations } from "../../access/operation.ts";
import {
  compare,
  lostKeys,
  lostSignInSecrets,
  nameOf,
  refuseNewerKeys,
  restoredKey,
  restoredSignInSecret,
  signInSecretsIn,
  type ComparedKey,
  type RestoredKey,
  type RestoredSignInSecret,
} from "./backup-comparison.ts";
import {
  DerivationParameters,
  decryptBackup,
  encryptBackup,
  type BackupKey,
  type BackupLock,
  type BackupOpener,
} from "./backup-file.ts";
import { fingerprintOf, insertMade, placeOf, selectKnown, upsertChecked } from "./known-backups.ts";
import { isKeyOf, readMasterKey } from "../master/master-key-text.ts";
import { masterKeyFolder } from "../master/master-key-name.ts";
import { readRegistry, type MasterKeyRow } from "../master/master-keys.ts";
import { mapInfisicalErrors } from "../on-infisical.ts";

export interface BackupCheck {
  readonly createdAt: Date;
  /** Whether it belongs to this registry's system; "unregistered" if the registry is empty. */
  readonly system: "same" | "another" | "unregistered";
  /** Every key of the backup and the registry. */
  readonly keys: readonly ComparedKey[];
  /** The versions of the secret of the sign-in that the backup has. */
  readonly signInSecrets: readonly number[];
  /** Whether the comparison was audited: impossible while the master key above the audit log's key is lost. */
  readonly isAudited: boolean;
}

export interface BackupRestore {
  /** Whether the registry was empty and has now the backup's rows. */
  readonly registered: boolean;
  /** Every key of the backup and the registry. */
  readonly keys: readonly RestoredKey[];
  /** Every version of the secret of the sign-in in the backup. */
  readonly signInSecrets: readonly RestoredSignInSecret[];
  readonly isAudited: boolean;
}

/**
 * Backups of the master keys. No permission is checked, except by `list`, and the API does not reach the rest: the holder of the
 * maintenance connection and Infisical's credentials has the keys anyway, and a restore has to work when nothing else does.
 */
export interface KeyBackups {
  /** The 200 newest that are known: made with this database, or checked with it. @throws {TenantSecretsError} FORBIDDEN */
  list(caller: Caller): Promise<readonly KnownKeyBackup[]>;
  /**
   * Backs up the registry, the secrets of the sign-in, and all master keys of all regions that are not destroyed, after comparing
   * each key with the registry. A pending key that is not in Infisical yet is left out. The backup is known from then on.
   *
   * @param path of the file on this host that the caller writes, for `list` A passphrase backup is decrypted once to verify it.
   *
   * @returns armored text in the age format
   * @throws {TenantSecretsError} MASTER_KEY_MISSING, MASTER_KEY_MALFORMED, MASTER_KEY_WRONG for an unusable key in Infisical;
   *   KEY_UNAVAILABLE, INVALID_INPUT
   */
  createBackup(caller: Caller, lock: BackupLock, path?: string): Promise<string>;
  /** Audits that a backup was made, and could not be written to its file. */
  recordUnwritten(caller: Caller): Promise<void>;
  /**
   * Compares a backup with the registry, without Infisical, and notes the result of one of this system. @throws as `decryptBackup`, KEY_UNAVAILABLE, DATABASE_UNAVAILABLE
   */
  checkBackup(caller: Caller, file: string, opener: BackupOpener): Promise<BackupCheck>;
  /**
   * Puts registered keys that are missing in Infisical back, and replaces none. An empty registry first gets the backup's rows.
   * The secrets of the sign-in are put back where Infisical has none of them and the backup has a registered key: so its maker had one.
   * Idempotent: repeated after a failure, it does the rest.
   *
   * @throws as `decryptBackup`; MASTER_KEY_WRONG for another system's backup; CONFLICT if Infisical has a different key under
   *   one of the names, or, with an empty registry, newer keys than the backup: then nothing was changed. KEY_UNAVAILABLE
   */
  restoreBackup(caller: Caller, file: string, opener: BackupOpener): Promise<BackupRestore>;
}

export function createKeyBackups(
  database: Database,
  infisical: InfisicalClient,
  operations: Operations,
): KeyBackups {
  /**
   * Audits a step, if possible. While a master key is lost the audit log's own key is lost too, and the step must not wait for
   * it. While the registry is empty, using the audit log would register whatever key Infisical has.
   */
  const record = async (
    operation: Operation,
    event: EventDetails,
    note?: (statements: Statements) => Promise<void>,
  ): Promise<boolean> => {
    if ((await readRegistry(database)).length === 0) return false;
    const { record: recordEvent, commit } = operations.steps(operation);
    try {
      if (note === undefined) await recordEvent(event);
      else
        await commit(async ({ statements }) => {
          await note(statements);
          return audited(undefined, event);
        });
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
    list: (caller) =>
      operations.read(
        { caller, action: "key.list-backups", verb: "rotate", to: "manage keys" },
        async (across) => audited(await across(selectKnown), {}),
      ),

    createBackup: (caller, lock, path) => {
      const operation = { caller, action: "key.backup" } as const;
      return recordingFailure(operation, async () => {
        const rows = await readRegistry(database);
        const texts = await readTexts(infisical);
        const keys: BackupKey[] = [];
        for (const row of rows) {
          // A pending key is registered before it is put into Infisical, and nothing is wrapped under it yet.
          if (row.status === "pending" && !texts.has(nameOf(row))) continue;
          keys.push(await backupKeyOf(row, texts));
        }
        const content = {
          createdAt: new Date(),
          system: systemOf(rows),
          keys,
          signInSecrets: [...signInSecretsIn(texts)],
        };
        const file = await encryptBackup(content, lock);
        if ("passphrase" in lock) {
          const { format: _, ...opened } = await decryptBackup(file, lock);
          if (!isDeepStrictEqual(opened, content)) throw new Error("a backup did not open as it was made");
        }
        const fingerprint = fingerprintOf(file);
        const place = path === undefined ? undefined : placeOf(path);
        await operations.steps(operation).commit(async ({ statements }) => {
          await insertMade(statements, { fingerprint, place, createdAt: content.createdAt });
          return audited(undefined, { subject: fingerprint });
        });
        return file;
      });
    },

    recordUnwritten: async (caller) => {
      await record({ caller, action: "key.backup" }, { outcome: "failed", reason: "STORE_UNAVAILABLE" });
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
          signInSecrets: backup.signInSecrets.map(({ version }) => version),
        } as const;
        const fingerprint = fingerprintOf(file);
        const complete = answer.keys.every(({ state }) => state !== "missing");
        const note = (statements: Statements) =>
          upsertChecked(statements, { fingerprint, createdAt: backup.createdAt, complete });
        const isOurs = answer.system === "same" && answer.keys.every(({ state }) => state !== "differs");
        return {
          ...answer,
          isAudited: await record(operation, { subject: fingerprint }, isOurs ? note : undefined),
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
        const isOurs = compared.some(({ state }) => state === "matches");
        const lost = new Map([
          ...lostKeys(compared, backup.keys, texts),
          ...lostSignInSecrets(isOurs ? backup.signInSecrets : [], texts),
        ]);

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
          signInSecrets: backup.signInSecrets.map((secret) => restoredSignInSecret(secret, lost, after)),
          isAudited: await record(operation, {}),
        };
      });
    },
  };
}

/** Errors of the audit log's own key while the master key above it is lost. */
const keyLost: ReadonlySet<TenantSecretsError["code"]> = new Set([
  "MASTER_KEY_MISSING",
  "MASTER_KEY_MALFORMED",
  "MASTER_KEY_WRONG",
]);

/** Errors after which a restore may be partly done. */
const unavailable: ReadonlySet<TenantSecretsError["code"]> = new Set([
  "KEY_UNAVAILABLE",
  "DATABASE_UNAVAILABLE",
  "AUDIT_UNAVAILABLE",
]);

function otherSystem(): TenantSecretsError {
  return new TenantSecretsError(
    "MASTER_KEY_WRONG",
    "The backup belongs to another system: its keys do not match this registry. Nothing was changed.",
  );
}

/** @throws {TenantSecretsError} MASTER_KEY_MISSING if nothing was ever registered */
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

/**
 * @throws {TenantSecretsError} INTEGRITY_FAILURE, MASTER_KEY_MALFORMED for a key that does not match its entry in the backup
 */
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
    // Of concurrent restores and starting processes, one is first and the others see its rows.
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
