import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  foreignKey,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  unique,
  uniqueIndex,
  uuid,
  type AnyPgColumn,
} from "drizzle-orm/pg-core";
import { at, authenticated } from "./columns.ts";

/** A tenant. Never deleted from the table: a subdomain may be freed, the Infisical folder is reserved for ever. */
export const companies = pgTable(
  "companies",
  {
    id: uuid("id").notNull().defaultRandom(),
    subdomain: text("subdomain").notNull(),
    infisicalFolder: text("infisical_folder").notNull(),
    secretStore: text("secret_store", { enum: ["infisical", "hybrid", "database"] }).notNull(),
    /** Raised by every change of `secret_store`, so that work begun under the old one can be noticed. */
    storeEpoch: integer("store_epoch").notNull().default(1),
    status: text("status", { enum: ["active", "suspended", "deleted"] })
      .notNull()
      .default("active"),
    homeRegion: text("home_region").notNull().default("default"),
    /** Raised by every change of the home, so that an earlier one is noticed in other regions. */
    homeEpoch: integer("home_epoch").notNull().default(1),
    /** How long a removed secret can be restored. */
    recoveryDays: integer("recovery_days").notNull().default(30),
    /** Whether every member has to have a second factor, and not owners and admins alone. */
    secondFactorRequired: boolean("second_factor_required").notNull().default(false),
    createdAt: at("created_at").notNull().defaultNow(),
    updatedAt: at("updated_at").notNull().defaultNow(),
    deletedAt: at("deleted_at"),
    ...authenticated(),
  },
  (t) => [
    primaryKey({ name: "companies_pkey", columns: [t.id] }),
    uniqueIndex("companies_subdomain_key")
      .on(t.subdomain)
      .where(sql`${t.deletedAt} is null`),
    unique("companies_infisical_folder_key").on(t.infisicalFolder),
    check("companies_subdomain_check", sql`${t.subdomain} ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'`),
    check("companies_infisical_folder_check", sql`${t.infisicalFolder} ~ '^[A-Za-z0-9_-]{1,255}$'`),
    check("companies_secret_store_check", sql`${t.secretStore} in ('infisical', 'hybrid', 'database')`),
    check("companies_status_check", sql`${t.status} in ('active', 'suspended', 'deleted')`),
    check("companies_recovery_days_check", sql`${t.recoveryDays} between 7 and 90`),
    check("companies_deleted_check", sql`(${t.status} = 'deleted') = (${t.deletedAt} is not null)`),
    check("companies_store_epoch_check", sql`${t.storeEpoch} > 0`),
    check("companies_home_epoch_check", sql`${t.homeEpoch} > 0`),
  ],
);

/** @param column of a company's id. Companies are not deleted while rows refer to them. */
export const companyForeignKey = (name: string, column: AnyPgColumn) =>
  foreignKey({ name, columns: [column], foreignColumns: [companies.id] }).onDelete("restrict");

/**
 * Every subdomain that a company has had, recorded by a trigger. A subdomain can change hands, so data under it can belong
 * to an earlier owner.
 */
export const companySubdomains = pgTable(
  "company_subdomains",
  {
    companyId: uuid("company_id").notNull(),
    subdomain: text("subdomain").notNull(),
    since: at("since").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "company_subdomains_pkey", columns: [t.companyId, t.subdomain] }),
    companyForeignKey("company_subdomains_company_fkey", t.companyId),
    index("company_subdomains_subdomain").on(t.subdomain),
  ],
);
