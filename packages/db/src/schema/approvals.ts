import { sql } from "drizzle-orm";
import { check, foreignKey, index, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { operators } from "./callers.ts";
import { at, authenticated } from "./columns.ts";

/** Requests of operators for what cannot be undone, and the answers of other operators. Never deleted. */
export const approvals = pgTable(
  "approvals",
  {
    id: uuid("id").notNull().defaultRandom(),
    action: text("action", { enum: ["key.destroy", "key.shred", "key.emergency-rotate"] }).notNull(),
    /** What exactly is approved, as JSON with sorted names: compared as a text. */
    parameters: text("parameters").notNull(),
    requestedBy: uuid("requested_by").notNull(),
    requestedAt: at("requested_at").notNull().defaultNow(),
    expiresAt: at("expires_at").notNull(),
    givenBy: uuid("given_by"),
    givenAt: at("given_at"),
    refusedBy: uuid("refused_by"),
    refusedAt: at("refused_at"),
    usedAt: at("used_at"),
    ...authenticated(),
  },
  (t) => [
    primaryKey({ name: "approvals_pkey", columns: [t.id] }),
    ...(
      [
        ["requested_by", t.requestedBy],
        ["given_by", t.givenBy],
        ["refused_by", t.refusedBy],
      ] as const
    ).map(([name, column]) =>
      foreignKey({
        name: `approvals_${name}_fkey`,
        columns: [column],
        foreignColumns: [operators.id],
      }).onDelete("restrict"),
    ),
    index("approvals_requested_by").on(t.requestedBy, t.action),
    check("approvals_action_check", sql`${t.action} in ('key.destroy', 'key.shred', 'key.emergency-rotate')`),
  ],
);
