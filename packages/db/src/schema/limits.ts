import { sql } from "drizzle-orm";
import { check, index, integer, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { at } from "./columns.ts";

/** Counters that hold across processes and restarts: failures, and what else is limited strictly. */
export const rateLimits = pgTable(
  "rate_limits",
  {
    key: text("key").notNull(),
    points: integer("points").notNull(),
    /** When the window of counting, or a block, ends. */
    expiresAt: at("expires_at").notNull(),
  },
  (t) => [
    primaryKey({ name: "rate_limits_pkey", columns: [t.key] }),
    index("rate_limits_expires_at").on(t.expiresAt),
    check("rate_limits_key_check", sql`length(${t.key}) between 1 and 200`),
  ],
);
