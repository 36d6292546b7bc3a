import { sql } from "drizzle-orm";
import {
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  unique,
  uuid,
} from "drizzle-orm/pg-core";
import { actorColumns, at, bytea } from "./columns.ts";
import { companyForeignKey } from "./companies.ts";
import { companyKeys } from "./keys.ts";

/** The maximum number of previous versions that are active at once: reading the active versions decrypts each of them. */
export const maxGraceWindows = 5;

/** A previous version that is still active. */
export interface GraceWindow {
  readonly version: number;
  /** When it ends to count: ISO 8601 in UTC, to the millisecond. */
  readonly until: string;
}

/** The pending version that a share of the uses gets in place of the current one. */
export interface Canary {
  readonly version: number;
  /** The current version that it is tried beside: under another one it counts no more. */
  readonly beside: number;
  /** The share of the uses, in percent. */
  readonly percent: number;
  /** When it ends: ISO 8601 in UTC, to the millisecond. */
  readonly until: string;
}

/**
 * The head of a secret: permanent (a tombstone is a state of it), and the only place of the current version's
 * sealed value. `last_version` 0 is a tombstone of a secret that this database never held.
 */
export const companySecrets = pgTable(
  "company_secrets",
  {
    companyId: uuid("company_id").notNull(),
    secretKey: text("secret_key").notNull(),
    id: uuid("id").notNull().defaultRandom(),
    secretValueEncrypted: text("secret_value_encrypted"),
    companyKeyVersion: integer("company_key_version"),
    currentVersion: integer("current_version"),
    pendingVersion: integer("pending_version"),
    /** Previous versions that are still active, the latest first. The next change drops those that have ended. */
    graceWindows: jsonb("grace_windows").$type<readonly GraceWindow[]>().notNull().default([]),
    canary: jsonb("canary").$type<Canary>(),
    lastVersion: integer("last_version").notNull(),
    origin: text("origin", { enum: ["written", "infisical", "legacy"] }).notNull(),
    /** Copied from the current version, so that reading its value needs no second row. */
    expiresAt: at("expires_at"),
    deletedAt: at("deleted_at"),
    /** Who removed it last. */
    removedByKind: text("removed_by_kind"),
    removedById: text("removed_by_id"),
    recoverUntil: at("recover_until"),
    purgedAt: at("purged_at"),
    createdAt: at("created_at").notNull().defaultNow(),
    updatedAt: at("updated_at").notNull().defaultNow(),
    /** The company key that the MAC is under: not always the one that the value is sealed under. */
    macKeyVersion: integer("mac_key_version").notNull(),
    /** Over what the head says, but for the sealed value, which is bound to its version by itself. */
    mac: bytea("mac").notNull(),
  },
  (t) => [
    primaryKey({ name: "company_secrets_pkey", columns: [t.companyId, t.secretKey] }),
    unique("company_secrets_id_key").on(t.companyId, t.id),
    companyForeignKey("company_secrets_company_fkey", t.companyId),
    foreignKey({
      name: "company_secrets_key_fkey",
      columns: [t.companyId, t.companyKeyVersion],
      foreignColumns: [companyKeys.companyId, companyKeys.keyVersion],
    }).onDelete("restrict"),
    foreignKey({
      name: "company_secrets_mac_key_fkey",
      columns: [t.companyId, t.macKeyVersion],
      foreignColumns: [companyKeys.companyId, companyKeys.keyVersion],
    }).onDelete("restrict"),
    check("company_secrets_secret_key_check", sql`${t.secretKey} ~ '^[A-Za-z][A-Za-z0-9_]{0,99}$'`),
    check("company_secrets_origin_check", sql`${t.origin} in ('written', 'infisical', 'legacy')`),
    check(
      "company_secrets_sealed_check",
      sql`(${t.secretValueEncrypted} is null) = (${t.companyKeyVersion} is null) and (${t.secretValueEncrypted} is null or ${t.currentVersion} is not null)`,
    ),
    check(
      "company_secrets_versions_check",
      sql`${t.lastVersion} >= 0 and coalesce(${t.currentVersion}, 0) between 0 and ${t.lastVersion} and coalesce(${t.pendingVersion}, 0) between 0 and ${t.lastVersion}`,
    ),
    check(
      "company_secrets_grace_windows_check",
      sql`case jsonb_typeof(${t.graceWindows}) when 'array' then jsonb_array_length(${t.graceWindows}) <= ${sql.raw(String(maxGraceWindows))} else false end`,
    ),
    check("company_secrets_canary_check", sql`jsonb_typeof(${t.canary}) = 'object'`),
    // Covers only removed secrets, which are queried every hour.
    index("company_secrets_recover_until")
      .on(t.recoverUntil)
      .where(sql`${t.deletedAt} is not null and ${t.purgedAt} is null`),
    check(
      "company_secrets_live_check",
      sql`${t.deletedAt} is not null or ${t.pendingVersion} is not null or ${t.secretValueEncrypted} is not null`,
    ),
  ],
);

/** Of a version whose writer names none. */
export const defaultReminderDays = [30, 7, 1] as const;

/** One row for every version, for ever; it holds the sealed value only while the version is not the current one. */
export const companySecretVersions = pgTable(
  "company_secret_versions",
  {
    companyId: uuid("company_id").notNull(),
    secretKey: text("secret_key").notNull(),
    version: integer("version").notNull(),
    id: uuid("id").notNull().defaultRandom(),
    previousVersionId: uuid("previous_version_id"),
    valueEncrypted: text("value_encrypted"),
    companyKeyVersion: integer("company_key_version"),
    fingerprint: text("fingerprint"),
    lastFour: text("last_four"),
    note: text("note"),
    ...actorColumns(),
    createdAt: at("created_at").notNull().defaultNow(),
    /** When the version was replaced as the current one, or as the pending one by a new write. Its retention starts then. */
    replacedAt: at("replaced_at"),
    /** When the credential ends at its provider. */
    expiresAt: at("expires_at"),
    /** The days before expiry at which a reminder is sent, and the fewest already sent; -1 once the expiry itself was reported. */
    reminderDays: integer("reminder_days")
      .array()
      .notNull()
      .default([...defaultReminderDays]),
    remindedDays: integer("reminded_days"),
    /** What its provider last said of it: `unknown` where the provider could not be asked. */
    checkResult: text("check_result", { enum: ["accepted", "rejected", "unknown"] }),
    checkedAt: at("checked_at"),
    destroyedAt: at("destroyed_at"),
  },
  (t) => [
    primaryKey({ name: "company_secret_versions_pkey", columns: [t.companyId, t.secretKey, t.version] }),
    unique("company_secret_versions_id_key").on(t.companyId, t.id),
    foreignKey({
      name: "company_secret_versions_secret_fkey",
      columns: [t.companyId, t.secretKey],
      foreignColumns: [companySecrets.companyId, companySecrets.secretKey],
    }).onDelete("restrict"),
    foreignKey({
      name: "company_secret_versions_previous_fkey",
      columns: [t.companyId, t.previousVersionId],
      foreignColumns: [t.companyId, t.id],
    }).onDelete("restrict"),
    foreignKey({
      name: "company_secret_versions_key_fkey",
      columns: [t.companyId, t.companyKeyVersion],
      foreignColumns: [companyKeys.companyId, companyKeys.keyVersion],
    }).onDelete("restrict"),
    // Covers only versions with reminders to come, which are queried every few minutes.
    index("company_secret_versions_expires_at")
      .on(t.expiresAt)
      .where(sql`${t.expiresAt} is not null and ${t.remindedDays} is distinct from -1`),
    // Covers only replaced versions that have a value: those that may be due for destruction.
    index("company_secret_versions_replaced")
      .on(t.companyId, t.secretKey, t.replacedAt, t.version)
      .where(sql`${t.valueEncrypted} is not null and ${t.replacedAt} is not null`),
    check("company_secret_versions_version_check", sql`${t.version} > 0`),
    check("company_secret_versions_note_check", sql`length(${t.note}) <= 500`),
    check(
      "company_secret_versions_check_check",
      sql`(${t.checkResult} is null) = (${t.checkedAt} is null) and ${t.checkResult} in ('accepted', 'rejected', 'unknown')`,
    ),
  ],
);

/** When a secret was last used, to the hour. Apart from its head, so that a read neither locks nor invalidates that one. */
export const secretUses = pgTable(
  "secret_uses",
  {
    companyId: uuid("company_id").notNull(),
    secretKey: text("secret_key").notNull(),
    lastUsedAt: at("last_used_at").notNull(),
  },
  (t) => [
    primaryKey({ name: "secret_uses_pkey", columns: [t.companyId, t.secretKey] }),
    companyForeignKey("secret_uses_company_fkey", t.companyId),
  ],
);

/** Request ids of changes to secrets, stored for a day, so that a retried request applies once. */
export const writeRequests = pgTable(
  "write_requests",
  {
    companyId: uuid("company_id").notNull(),
    ...actorColumns(),
    requestId: text("request_id").notNull(),
    bodyMac: text("body_mac").notNull(),
    /** The response: for written values the new versions, in the order of the secret keys. */
    answer: jsonb("answer").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({
      name: "write_requests_pkey",
      columns: [t.companyId, t.actorKind, t.actorId, t.requestId],
    }),
    companyForeignKey("write_requests_company_fkey", t.companyId),
    check("write_requests_request_id_check", sql`length(${t.requestId}) between 1 and 100`),
    index("write_requests_created_at").on(t.companyId, t.createdAt),
  ],
);
