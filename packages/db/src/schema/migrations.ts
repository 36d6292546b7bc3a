import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import { at } from "./columns.ts";
import { companyForeignKey } from "./companies.ts";
import { runs } from "./runs.ts";

/**
 * What migration knows of a company beside its store. Not columns of the company: each update of that row makes all
 * processes forget it.
 */
export const companyStores = pgTable(
  "company_stores",
  {
    companyId: uuid("company_id").notNull(),
    /** When the store was changed last. */
    changedAt: at("changed_at"),
    /** Where a copy from before the last change is left. */
    leftIn: text("left_in", { enum: ["infisical", "database"] }),
    /** When that copy was removed. */
    cleanedAt: at("cleaned_at"),
    /** The last verification without a difference, and the epoch of the store at its time. */
    verifiedAt: at("verified_at"),
    verifiedEpoch: integer("verified_epoch"),
    /** Whether changes in the database are written to the folder in Infisical as well, and since when. */
    isMirrored: boolean("is_mirrored").notNull().default(false),
    mirroredSince: at("mirrored_since"),
    /** The pass of the mirror that is under way, and until when no other one begins. */
    mirrorHolder: uuid("mirror_holder"),
    mirrorUntil: at("mirror_until"),
    /** Passes in a row that failed, and when the next one is due. */
    mirrorFailures: integer("mirror_failures").notNull().default(0),
    mirrorNotBefore: at("mirror_not_before"),
    /** When a pass has last compared everything. */
    mirrorComparedAt: at("mirror_compared_at"),
  },
  (t) => [
    primaryKey({ name: "company_stores_pkey", columns: [t.companyId] }),
    companyForeignKey("company_stores_company_fkey", t.companyId),
    check("company_stores_left_check", sql`${t.leftIn} in ('infisical', 'database')`),
    check("company_stores_verified_check", sql`(${t.verifiedAt} is null) = (${t.verifiedEpoch} is null)`),
    check("company_stores_mirrored_check", sql`${t.isMirrored} = (${t.mirroredSince} is not null)`),
    index("company_stores_mirrored")
      .on(t.companyId)
      .where(sql`${t.isMirrored}`),
  ],
);

/**
 * What the folder was last found to have of a secret, beside which version in the database: the same value; or nothing, of a secret
 * that was removed. A secret that has another version on either side since is compared again.
 */
export const folderEntries = pgTable(
  "folder_entries",
  {
    companyId: uuid("company_id").notNull(),
    secretKey: text("secret_key").notNull(),
    /** The version in the database. */
    syncedVersion: integer("synced_version").notNull(),
    /** Null where the folder has no such secret. */
    outsideId: text("outside_id"),
    outsideVersion: integer("outside_version"),
    outsideUpdatedAt: at("outside_updated_at"),
    /** Why the folder does not get this version. The folder has what it had before. */
    finding: text("finding"),
    /** Whether this product has begun to write to the folder since, so that it may have another version there by now. */
    isBeingWritten: boolean("is_being_written").notNull().default(false),
    syncedAt: at("synced_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "folder_entries_pkey", columns: [t.companyId, t.secretKey] }),
    companyForeignKey("folder_entries_company_fkey", t.companyId),
    check(
      "folder_entries_outside_check",
      sql`(${t.outsideId} is null) = (${t.outsideVersion} is null) and (${t.outsideId} is null) = (${t.outsideUpdatedAt} is null)`,
    ),
  ],
);

/** What comparisons of served values with the folder have found, under one store of a company. */
export const shadowReads = pgTable(
  "shadow_reads",
  {
    companyId: uuid("company_id").notNull(),
    storeEpoch: integer("store_epoch").notNull(),
    equal: integer("equal").notNull().default(0),
    differs: integer("differs").notNull().default(0),
    missing: integer("missing").notNull().default(0),
    failed: integer("failed").notNull().default(0),
    updatedAt: at("updated_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "shadow_reads_pkey", columns: [t.companyId] }),
    companyForeignKey("shadow_reads_company_fkey", t.companyId),
  ],
);

/** One company in one migration, and what came out. Never a value. */
export const migrationCompanies = pgTable(
  "migration_companies",
  {
    runId: uuid("run_id").notNull(),
    companyId: uuid("company_id").notNull(),
    state: text("state", { enum: ["waiting", "done", "blocked", "failed"] })
      .notNull()
      .default("waiting"),
    /** Attempts that failed, and when the next one is due. */
    attempts: integer("attempts").notNull().default(0),
    notBefore: at("not_before"),
    errorCode: text("error_code"),
    errorMessage: text("error_message"),
    /** What was found and done, in the form of the catalogue's `CompanyMigration`. */
    result: jsonb("result"),
    finishedAt: at("finished_at"),
  },
  (t) => [
    primaryKey({ name: "migration_companies_pkey", columns: [t.companyId, t.runId] }),
    companyForeignKey("migration_companies_company_fkey", t.companyId),
    foreignKey({
      name: "migration_companies_run_fkey",
      columns: [t.runId],
      foreignColumns: [runs.id],
    }).onDelete("restrict"),
    index("migration_companies_run").on(t.runId, t.companyId),
    check("migration_companies_state_check", sql`${t.state} in ('waiting', 'done', 'blocked', 'failed')`),
    check("migration_companies_finished_check", sql`(${t.state} = 'waiting') = (${t.finishedAt} is null)`),
  ],
);
