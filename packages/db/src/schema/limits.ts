import { sql } from "drizzle-orm";
import { bigint, check, index, integer, pgTable, primaryKey, text } from "drizzle-orm/pg-core";

/** Counters that hold across processes and restarts: failures, and what else is limited strictly. */
export const rateLimits = pgTable(
  "rate_limits",
  {
    key: text("key").notNull(),
    points: integer("points").notNull(),
    /** In milliseconds since 1970, as the library that counts writes it; its statements name no column but these three. */
    expire: bigint("expire", { mode: "number" }),
  },
  (t) => [
    primaryKey({ name: "rate_limits_pkey", columns: [t.key] }),
    index("rate_limits_expire").on(t.expire),
    check("rate_limits_key_check", sql`length(${t.key}) between 1 and 200`),
  ],
);
