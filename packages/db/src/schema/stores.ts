import { foreignKey, pgTable, primaryKey, uuid } from "drizzle-orm/pg-core";
import { at } from "./columns.ts";
import { companies } from "./companies.ts";

/**
 * Until when writes of a company wait, because its store is being changed. Not a column of the company: each update of that
 * one makes all processes forget it.
 */
export const storeHolds = pgTable(
  "store_holds",
  {
    companyId: uuid("company_id").notNull(),
    /** Who holds them, so that nobody else ends the hold. */
    run: uuid("run").notNull(),
    until: at("until").notNull(),
  },
  (t) => [
    primaryKey({ name: "store_holds_pkey", columns: [t.companyId] }),
    foreignKey({
      name: "store_holds_company_fkey",
      columns: [t.companyId],
      foreignColumns: [companies.id],
    }).onDelete("restrict"),
  ],
);
