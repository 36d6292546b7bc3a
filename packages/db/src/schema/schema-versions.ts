import { sql } from "drizzle-orm";
import { check, integer, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { at } from "./columns.ts";

/** Each version that the tables and the rules around them have had, since 0.1.0, which wrote none. The highest one is what they have. */
export const schemaVersions = pgTable(
  "schema_versions",
  {
    version: integer("version").notNull(),
    /** Programs that were made for this version, or a later one, work with the tables. */
    oldest: integer("oldest").notNull(),
    /** The release that brought it. */
    release: text("release").notNull(),
    appliedAt: at("applied_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "schema_versions_pkey", columns: [t.version] }),
    check("schema_versions_oldest_check", sql`${t.oldest} between 1 and ${t.version}`),
  ],
);
