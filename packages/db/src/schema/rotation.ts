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
  uuid,
} from "drizzle-orm/pg-core";
import { actorColumns, at } from "./columns.ts";
import { companySecrets } from "./secrets.ts";

/** How a secret is rotated, and when next. */
export const rotationPolicies = pgTable(
  "rotation_policies",
  {
    companyId: uuid("company_id").notNull(),
    secretKey: text("secret_key").notNull(),
    driver: text("driver").notNull(),
    /** As they were given: the driver parses them at each step. Never a value. */
    settings: jsonb("settings").notNull(),
    /** Null: rotated when asked alone. */
    schedule: jsonb("schedule"),
    /** For how long the replaced value is accepted beside the new one. */
    overlapSeconds: integer("overlap_seconds").notNull(),
    /** The share of the uses that gets the new value first, and for how long; null for none. */
    canary: jsonb("canary").$type<{ readonly percent: number; readonly seconds: number }>(),
    /** The secret of the same company with whose rights the driver acts. */
    managerKey: text("manager_key"),
    state: text("state", { enum: ["active", "paused", "stuck"] })
      .notNull()
      .default("active"),
    /** Why it is paused or stuck, or why its last run failed. */
    reason: text("reason"),
    /** Runs that failed since the last that succeeded. */
    failures: integer("failures").notNull().default(0),
    /** Null: not by time. */
    nextDueAt: at("next_due_at"),
    /** The version and its end that `next_due_at` was computed for: of others it is computed again. */
    dueForVersion: integer("due_for_version").notNull(),
    dueForExpiry: at("due_for_expiry"),
    lastRunId: uuid("last_run_id"),
    ...actorColumns(),
    createdAt: at("created_at").notNull().defaultNow(),
    updatedAt: at("updated_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "rotation_policies_pkey", columns: [t.companyId, t.secretKey] }),
    foreignKey({
      name: "rotation_policies_secret_fkey",
      columns: [t.companyId, t.secretKey],
      foreignColumns: [companySecrets.companyId, companySecrets.secretKey],
    }).onDelete("restrict"),
    index("rotation_policies_due")
      .on(t.nextDueAt)
      .where(sql`${t.state} = 'active'`),
    check("rotation_policies_state_check", sql`${t.state} in ('active', 'paused', 'stuck')`),
    check("rotation_policies_overlap_check", sql`${t.overlapSeconds} between 0 and 2592000`),
    check("rotation_policies_failures_check", sql`${t.failures} >= 0`),
  ],
);

/** Every credential that was made at a provider here, until the provider is known to have forgotten it. Never a value. */
export const rotationCredentials = pgTable(
  "rotation_credentials",
  {
    companyId: uuid("company_id").notNull(),
    secretKey: text("secret_key").notNull(),
    /** What it is called at the provider. */
    marker: text("marker").notNull(),
    runId: uuid("run_id").notNull(),
    /** The provider's id; null until it is known. */
    ref: text("ref"),
    /** The version with its value; null until it has one. */
    version: integer("version"),
    /** `wanted`: the provider is about to be asked. `orphan`: it may be there, and its removal was given up. */
    state: text("state", { enum: ["wanted", "live", "retiring", "retired", "orphan"] }).notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    updatedAt: at("updated_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "rotation_credentials_pkey", columns: [t.companyId, t.secretKey, t.marker] }),
    foreignKey({
      name: "rotation_credentials_secret_fkey",
      columns: [t.companyId, t.secretKey],
      foreignColumns: [companySecrets.companyId, companySecrets.secretKey],
    }).onDelete("restrict"),
    index("rotation_credentials_state").on(t.state),
    check(
      "rotation_credentials_state_check",
      sql`${t.state} in ('wanted', 'live', 'retiring', 'retired', 'orphan')`,
    ),
  ],
);
