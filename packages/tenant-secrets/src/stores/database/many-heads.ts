import { getTableColumns, sql, type SQL } from "drizzle-orm";
import { defaultReminderDays, tables, type Statements } from "@repo/db";
import { type CompanyKey, headMac } from "@repo/envelope";
import { columnsOf, manyRows } from "./many-rows.ts";
import { neverHere, withMac, type Head, type HeadChanges, type StoredHead } from "./secret-head.ts";

const { companySecrets, companySecretVersions } = tables;

/** A secret whose first version is its current one. */
export interface FirstHead extends Pick<Head, "companyId" | "secretKey" | "origin"> {
  readonly expiresAt?: Date | null | undefined;
  readonly secretValueEncrypted: string;
  /** Of the value, and for the MAC. */
  readonly key: CompanyKey;
}

/** What is stored of a new version beside its value, which the head has while it is current. */
export type VersionRow = Partial<
  Pick<typeof companySecretVersions.$inferSelect, (typeof versionFields)[number]>
>;

const versionFields = [
  "companyId",
  "secretKey",
  "version",
  "previousVersionId",
  "fingerprint",
  "lastFour",
  "note",
  "expiresAt",
  "reminderDays",
  "actorKind",
  "actorId",
] as const satisfies readonly (keyof typeof companySecretVersions.$inferSelect)[];

/** The columns of a {@link VersionRow}; of an alias, where one is given. */
function versionColumns(alias?: string): SQL {
  return columnsOf(companySecretVersions, versionFields, alias);
}

/** Rows of new versions, as `from` takes them. */
function versionRows(rows: readonly VersionRow[]): SQL {
  return manyRows(
    companySecretVersions,
    rows.map((row) => ({ ...row, reminderDays: row.reminderDays ?? defaultReminderDays })),
  );
}

export async function insertVersions(statements: Statements, rows: readonly VersionRow[]): Promise<void> {
  if (rows.length === 0) return;
  await statements.execute(sql`
    insert into ${companySecretVersions} (${versionColumns()}) select ${versionColumns()} from ${versionRows(rows)}`);
}

/**
 * Inserts the heads of secrets that were never here, and their first versions. In one order, and before any
 * head is locked, so that two that want several of the same never wait for each other.
 *
 * @param versionOf the row of a secret's first version
 * @returns the secret keys of those that were inserted: the others are here already
 */
export async function insertFirst<Of extends FirstHead>(
  statements: Statements,
  heads: readonly Of[],
  versionOf: (head: Of) => VersionRow,
): Promise<ReadonlySet<string>> {
  if (heads.length === 0) return new Set();
  const sorted = heads.toSorted((a, b) => (a.secretKey < b.secretKey ? -1 : 1));
  const columns = columnsOf(companySecrets, insertedFields);
  const inserted = await statements.execute<{ secretKey: string }>(sql`
    with heads as (
      insert into ${companySecrets} (${columns})
      select ${columns} from ${manyRows(companySecrets, sorted.map(firstRow))}
      on conflict do nothing returning secret_key
    ), versions as (
      insert into ${companySecretVersions} (${versionColumns()})
      select ${versionColumns("r")} from ${versionRows(sorted.map(versionOf))}
        join heads on heads.secret_key = r.secret_key
    )
    select secret_key as "secretKey" from heads`);
  return new Set(inserted.map(({ secretKey }) => secretKey));
}

function firstRow({ key, ...head }: FirstHead) {
  const expiresAtMs = head.expiresAt?.getTime() ?? null;
  const state = { ...neverHere, ...head, expiresAtMs, currentVersion: 1, lastVersion: 1, removed: false };
  const { keyVersion } = key;
  return { ...state, companyKeyVersion: keyVersion, macKeyVersion: keyVersion, mac: headMac(key, state) };
}

const insertedFields = [
  "companyId",
  "secretKey",
  "secretValueEncrypted",
  "companyKeyVersion",
  "currentVersion",
  "lastVersion",
  "origin",
  "expiresAt",
  "macKeyVersion",
  "mac",
] as const satisfies readonly (keyof StoredHead)[];

/** A head that this transaction has locked, and what changes in it. */
export interface ChangedHead {
  readonly head: Head;
  readonly changes: HeadChanges;
}

/** As `changeHead`, of several in one statement. */
export async function changeHeads(statements: Statements, changed: readonly ChangedHead[]): Promise<void> {
  if (changed.length === 0) return;
  const rows = changed.map(({ head, changes }) => ({ ...head, ...withMac(head, changes) }));
  await statements.execute(sql`
    update ${companySecrets} h
    set (${columnsOf(companySecrets, changeable)}) = row(${columnsOf(companySecrets, changeable, "r")})
    from ${manyRows(companySecrets, rows)}
    where h.company_id = r.company_id and h.secret_key = r.secret_key`);
}

const permanent: ReadonlySet<string> = new Set(["companyId", "secretKey", "id", "createdAt"]);
const changeable = Object.keys(getTableColumns(companySecrets)).filter((field) => !permanent.has(field));

/**
 * As `keepCurrentVersion`, of several heads in one statement. The pending version of a removed secret is replaced, too.
 *
 * @returns the ids of the rows of their current versions, by secret key
 */
export async function keepCurrentVersions(
  statements: Statements,
  heads: readonly Head[],
): Promise<ReadonlyMap<string, string>> {
  const valued = heads.filter(({ currentVersion }) => currentVersion !== null);
  if (valued.length === 0) return new Map();
  const rows = await statements.execute<{ secretKey: string; id: string; isCurrent: boolean }>(sql`
    update ${companySecretVersions} v
    set value_encrypted = case when v.version = r.current_version then h.secret_value_encrypted else v.value_encrypted end,
      company_key_version = case when v.version = r.current_version then h.company_key_version else v.company_key_version end,
      replaced_at = r.updated_at
    from ${manyRows(companySecrets, valued.map(toKeep))}
      join ${companySecrets} h on h.company_id = r.company_id and h.secret_key = r.secret_key
    where v.company_id = r.company_id and v.secret_key = r.secret_key
      and v.version in (r.current_version, r.pending_version)
    returning v.secret_key as "secretKey", v.id, v.version = r.current_version as "isCurrent"`);
  const kept = new Map(rows.flatMap(({ secretKey, id, isCurrent }) => (isCurrent ? [[secretKey, id]] : [])));
  if (kept.size < valued.length) throw new Error("every version has a row");
  return kept;
}

function toKeep({ companyId, secretKey, currentVersion, pendingVersion, deletedAt, now }: Head) {
  const replaced = deletedAt === null ? null : pendingVersion;
  return { companyId, secretKey, currentVersion, pendingVersion: replaced, updatedAt: now };
}
