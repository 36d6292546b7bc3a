import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { at } from "./columns.ts";
import { companyForeignKey } from "./companies.ts";

/**
 * Until when writes of a company wait, because its store is being changed. Not a column of the company: each update of that
 * one makes all processes forget it.
 */
export const storeHolds = pgTable(
  "store_holds",
  {
    companyId: uuid("company_id").notNull(),
    /** The holder: only it can end the hold. */
    run: uuid("run").notNull(),
    until: at("until").notNull(),
  },
  (t) => [
    primaryKey({ name: "store_holds_pkey", columns: [t.companyId] }),
    companyForeignKey("store_holds_company_fkey", t.companyId),
  ],
);

/**
 * Changes of secrets in Infisical that are in flight, or whose outcome is not known. Infisical takes no part in a transaction: a
 * row is committed before the call, and success is told only where the row was still there after it.
 */
export const outsideWrites = pgTable(
  "outside_writes",
  {
    id: uuid("id").notNull().defaultRandom(),
    companyId: uuid("company_id").notNull(),
    storeEpoch: integer("store_epoch").notNull(),
    secretKey: text("secret_key").notNull(),
    kind: text("kind", { enum: ["put", "delete"] }).notNull(),
    /** Whether it brings the folder to what the database has: then the value is no change of the secret. */
    isMirror: boolean("is_mirror").notNull().default(false),
    /** Of such a change, the run or the mirror that makes it: only the same one takes up what a killed process has left. */
    holder: uuid("holder"),
    /** Fingerprint of the written value, under a key of the company. Null for a deletion and after shredding. */
    valueMac: text("value_mac"),
    companyKeyVersion: integer("company_key_version"),
    /** `abandoned`: the company has changed its store since, and the caller starts again under the new one. */
    state: text("state", { enum: ["in-flight", "unknown", "abandoned"] })
      .notNull()
      .default("in-flight"),
    startedAt: at("started_at")
      .notNull()
      .default(sql`clock_timestamp()`),
    /** When the call is over, however it ended. */
    deadlineAt: at("deadline_at").notNull(),
  },
  (t) => [
    primaryKey({ name: "outside_writes_pkey", columns: [t.companyId, t.id] }),
    companyForeignKey("outside_writes_company_fkey", t.companyId),
    check("outside_writes_secret_key_check", sql`${t.secretKey} ~ '^[A-Za-z][A-Za-z0-9_]{0,99}$'`),
    check("outside_writes_kind_check", sql`${t.kind} in ('put', 'delete')`),
    check("outside_writes_state_check", sql`${t.state} in ('in-flight', 'unknown', 'abandoned')`),
    check("outside_writes_holder_check", sql`${t.isMirror} = (${t.holder} is not null)`),
    check("outside_writes_mac_check", sql`${t.valueMac} is null or ${t.companyKeyVersion} is not null`),
    // Writes of one secret take turns, in all processes.
    uniqueIndex("outside_writes_in_flight")
      .on(t.companyId, t.secretKey)
      .where(sql`${t.state} = 'in-flight'`),
    index("outside_writes_deadline_at").on(t.deadlineAt),
  ],
);
