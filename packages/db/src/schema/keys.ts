import { sql } from "drizzle-orm";
import {
  type AnyPgColumn,
  boolean,
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { at, wrapColumns } from "./columns.ts";
import { companyForeignKey } from "./companies.ts";

/** The registry of master keys. The keys themselves live in Infisical. */
export const masterKeys = pgTable(
  "master_keys",
  {
    region: text("region").notNull(),
    version: integer("version").notNull(),
    status: text("status", { enum: ["pending", "active", "retiring", "retired", "destroyed"] }).notNull(),
    derivation: text("derivation", { enum: ["hkdf-sha256", "argon2id"] }).notNull(),
    /** Salt and cost of a passphrase's derivation; empty for HKDF of 256 random bits. */
    parameters: jsonb("parameters").notNull().default({}),
    checkValue: text("check_value").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    activatedAt: at("activated_at"),
    retiredAt: at("retired_at"),
  },
  (t) => [
    primaryKey({ name: "master_keys_pkey", columns: [t.region, t.version] }),
    uniqueIndex("master_keys_one_active")
      .on(t.region)
      .where(sql`${t.status} = 'active'`),
    check("master_keys_region_check", sql`${t.region} ~ '^[a-z][a-z0-9-]{0,31}$'`),
    check("master_keys_version_check", sql`${t.version} > 0`),
    check(
      "master_keys_status_check",
      sql`${t.status} in ('pending', 'active', 'retiring', 'retired', 'destroyed')`,
    ),
    check("master_keys_derivation_check", sql`${t.derivation} in ('hkdf-sha256', 'argon2id')`),
  ],
);

/** A wrap keeps the master key that it is under from being deleted. */
export const masterKeyForeignKey = (
  name: string,
  { region, masterKeyVersion }: { readonly region: AnyPgColumn; readonly masterKeyVersion: AnyPgColumn },
) =>
  foreignKey({
    name,
    columns: [region, masterKeyVersion],
    foreignColumns: [masterKeys.region, masterKeys.version],
  }).onDelete("restrict");

/** The data keys of a company, numbered. Their bytes exist only wrapped, in `company_key_wraps`. */
export const companyKeys = pgTable(
  "company_keys",
  {
    companyId: uuid("company_id").notNull(),
    keyVersion: integer("key_version").notNull(),
    status: text("status", { enum: ["active", "retiring", "retired", "destroyed"] }).notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    destroyedAt: at("destroyed_at"),
  },
  (t) => [
    primaryKey({ name: "company_keys_pkey", columns: [t.companyId, t.keyVersion] }),
    companyForeignKey("company_keys_company_fkey", t.companyId),
    uniqueIndex("company_keys_one_active")
      .on(t.companyId)
      .where(sql`${t.status} = 'active'`),
    check("company_keys_key_version_check", sql`${t.keyVersion} > 0`),
    check("company_keys_status_check", sql`${t.status} in ('active', 'retiring', 'retired', 'destroyed')`),
  ],
);

/** The wraps of company keys. The application can only insert. */
export const companyKeyWraps = pgTable(
  "company_key_wraps",
  {
    companyId: uuid("company_id").notNull(),
    keyVersion: integer("key_version").notNull(),
    ...wrapColumns(),
  },
  (t) => [
    primaryKey({
      name: "company_key_wraps_pkey",
      columns: [t.companyId, t.keyVersion, t.region, t.masterKeyVersion],
    }),
    foreignKey({
      name: "company_key_wraps_key_fkey",
      columns: [t.companyId, t.keyVersion],
      foreignColumns: [companyKeys.companyId, companyKeys.keyVersion],
    }).onDelete("restrict"),
    masterKeyForeignKey("company_key_wraps_master_key_fkey", t),
  ],
);

/** The processes that hold keys, and which versions each has loaded: what a rotation waits for. */
export const processes = pgTable(
  "processes",
  {
    id: uuid("id").notNull(),
    region: text("region").notNull(),
    masterKeyVersions: integer("master_key_versions").array().notNull(),
    startedAt: at("started_at").notNull().defaultNow(),
    seenAt: at("seen_at").notNull().defaultNow(),
    /** For how long this process is set to keep what jobs delete. Null of one that is not set, and of release 0.1.0. */
    retention: jsonb("retention"),
  },
  (t) => [
    primaryKey({ name: "processes_pkey", columns: [t.id] }),
    index("processes_seen_at").on(t.region, t.seenAt),
  ],
);

/** The backups of the master keys that were made or checked. The files are elsewhere. */
export const keyBackups = pgTable(
  "key_backups",
  {
    /** SHA-256 of the file. */
    fingerprint: text("fingerprint").notNull(),
    /** Host and path where it was written; null for one that was checked alone. */
    place: text("place"),
    createdAt: at("created_at").notNull(),
    checkedAt: at("checked_at"),
    /** Whether it had every key at the last check. */
    complete: boolean("complete"),
  },
  (t) => [
    primaryKey({ name: "key_backups_pkey", columns: [t.fingerprint] }),
    index("key_backups_created").on(t.createdAt),
    check("key_backups_fingerprint_check", sql`${t.fingerprint} ~ '^sha256:[0-9a-f]{64}$'`),
    check("key_backups_check_check", sql`(${t.checkedAt} is null) = (${t.complete} is null)`),
  ],
);

/** Companies whose keys were destroyed for good, each with its signed receipt. */
export const shreddings = pgTable(
  "shreddings",
  {
    companyId: uuid("company_id").notNull(),
    receipt: text("receipt").notNull(),
    signature: text("signature").notNull(),
    shreddedAt: at("shredded_at").notNull(),
  },
  (t) => [
    primaryKey({ name: "shreddings_pkey", columns: [t.companyId] }),
    companyForeignKey("shreddings_company_fkey", t.companyId),
  ],
);
