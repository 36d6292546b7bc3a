import { and, eq } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import { rowTables, type StoredRow } from "@repo/audit-log";
import { isGenuineRow, rowMac } from "@repo/envelope";
import type { ActiveRowKeys, RowKeys } from "../access/authentic-rows.ts";
import { rotateAuditKey, type KeyReplacement } from "./audit-keys.ts";
import type { MasterKeys } from "./master/master-keys.ts";

const { auditKeys, auditKeyWraps } = tables;

export interface RowKeyChange {
  /** Rows with a MAC under the new key. */
  readonly reencrypted: number;
  /** Rows that are not genuine: they get no MAC and are ignored. `audit verify` lists them. */
  readonly notGenuine: number;
}

interface Parts {
  readonly database: Database;
  readonly masterKeys: MasterKeys;
  readonly rowKeys: RowKeys;
}

const batchSize = 500;

/**
 * Rotates the key of the rows that decide who may read, unless the active one was made after `madeUntil`. Gives every row a MAC
 * under the new key, and deletes the old key. Rows stay valid throughout. Continues an interrupted rotation.
 *
 * @throws {TenantSecretsError} the errors of keys and database
 */
export async function replaceRowKey(
  { database, masterKeys, rowKeys }: Parts,
  replacement: Omit<KeyReplacement, "action">,
): Promise<RowKeyChange> {
  await rotateAuditKey(masterKeys, "row", { ...replacement, action: "key.rotate-rows" });
  rowKeys.invalidate();
  const keys = await rowKeys.load();
  const across = database.acrossCompanies;
  let reencrypted = 0;
  let notGenuine = 0;
  for (const table of rowTables) {
    for (let after: StoredRow | undefined, more = true; more;) {
      const rows = await across((statements) => table.select(statements, after, batchSize));
      const older = rows.filter(({ beside }) => beside.macKeyVersion !== keys.active.keyVersion);
      const made = older.flatMap((row) => reencryptedRow(keys, row) ?? []);
      if (made.length > 0) await across((statements) => table.remac(statements, made));
      reencrypted += made.length;
      notGenuine += older.length - made.length;
      after = rows.at(-1);
      more = rows.length === batchSize;
    }
  }
  await across(async (statements) => {
    const retiring = await statements
      .update(auditKeys)
      .set({ status: "retired" })
      .where(and(eq(auditKeys.purpose, "row"), eq(auditKeys.status, "retiring")))
      .returning({ keyVersion: auditKeys.keyVersion });
    for (const { keyVersion } of retiring) {
      await statements
        .delete(auditKeyWraps)
        .where(and(eq(auditKeyWraps.purpose, "row"), eq(auditKeyWraps.keyVersion, keyVersion)));
    }
  });
  rowKeys.invalidate();
  return { reencrypted, notGenuine };
}

function reencryptedRow({ active, accepted }: ActiveRowKeys, row: StoredRow): StoredRow | undefined {
  const { state, beside } = row;
  const key = accepted.get(beside.macKeyVersion);
  if (key === undefined || !isGenuineRow(key, state, beside)) return undefined;
  const { revision } = beside;
  return {
    state,
    beside: { revision, macKeyVersion: active.keyVersion, mac: rowMac(active, state, revision) },
  };
}
