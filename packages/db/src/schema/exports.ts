import { index, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { at } from "./columns.ts";

/**
 * The signed receipt of each encrypted file of a company's values. It outlives the company's row, so that it can be shown once
 * nothing else is left.
 */
export const exportReceipts = pgTable(
  "export_receipts",
  {
    companyId: uuid("company_id").notNull(),
    id: uuid("id").notNull(),
    exportedAt: at("exported_at").notNull(),
    receipt: text("receipt").notNull(),
    signature: text("signature").notNull(),
  },
  (t) => [
    primaryKey({ name: "export_receipts_pkey", columns: [t.companyId, t.id] }),
    index("export_receipts_exported_at").on(t.companyId, t.exportedAt, t.id),
  ],
);
